"""The driver of ``make torture``: that it sees what is wrong, on stand-ins; small real runs."""

import json
import sys
import types

import numpy as np
import pytest
from PIL import Image

from benchmarks.client import cores
from benchmarks.torture import __main__ as driver
from benchmarks.torture import determinism, devices, files, kills, soak
from benchmarks.torture.determinism import Way
from mttjax.system.files import atomically, write_json
from mttjax.system.npz import write_arrays

CAREFUL = """
import json, os, signal, sys, time
from mttjax.system.files import atomically, remove_leftovers
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    remove_leftovers(".")
    done = json.load(open("done.json"))["n"] if os.path.exists("done.json") else 0
    for n in range(done + 1, 31):
        with atomically("done.json", "w") as file:
            file.write(json.dumps({"n": n, "sum": sum(range(n))})[:5]); file.flush()
            time.sleep(0.03)
            file.seek(0)
            file.write(json.dumps({"n": n, "sum": sum(range(n))}))
except KeyboardInterrupt:
    sys.exit(130)
"""

CARELESS = """
import json, os, time
from mttjax.system.files import atomically
for n in range(30):
    with atomically("other.json", "w") as file:
        file.write("{}")
        with open("cut.json", "w") as other:
            other.write('{"n": '); other.flush()
            time.sleep(0.02)
            other.write("30, \\"time\\": %f}" % (time.time() if os.path.exists("again") else 0))
open("again", "w").close()
"""


def script(folder, text):
    path = folder / "command.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def quiet(*_):
    pass


def test_kills_of_a_careful_command_find_nothing(tmp_path):
    size = kills.Size(
        {"careful": script(tmp_path, CAREFUL)}, kills=4, signals=1, writes=8, size="small"
    )
    found = kills.torture(size, quiet)
    assert found["faults"] == found["partial_files"] == found["different"] == []
    assert found["killed"] >= 4
    assert 1 <= found["in_writes"] <= found["killed"]
    assert found["cut_files"] >= 1
    assert min(found["signals"].values()) >= 1
    assert found["tried"] == found["killed"] + sum(found["signals"].values())
    json.dumps(found)
    assert str(found["killed"]) in kills.table(found).markdown()


def test_kills_of_a_careless_command_find_what_it_leaves(tmp_path):
    size = kills.Size({"careless": script(tmp_path, CARELESS)}, 2, 0, writes=8, size="small")
    found = kills.torture(size, quiet)
    assert any(name.startswith("cut.json") for name in found["partial_files"])
    assert any("not whole" in fault for fault in found["faults"])
    assert any("temporary files are left" in fault for fault in found["faults"])


def test_distill_survives_kills():
    found = kills.run("small", quiet)
    assert found["killed"] >= 3
    assert found["faults"] == []


def test_files_that_are_not_whole_are_named(tmp_path):
    write_arrays(tmp_path / "a.npz", {"x": np.arange(9)})
    write_json(tmp_path / "a.json", {"x": 1})
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "metrics.jsonl").write_text('{"a": 1}\n{"a": ')
    (tmp_path / "index.html").write_text("<html></html>\n")
    with atomically(tmp_path / "b.txt", "w") as file:
        file.write("x")
        assert len(files.files_left(tmp_path)) == 1
    assert files.not_whole(tmp_path) == []
    assert files.cut_lines(tmp_path) == 1
    for path in list(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes()[:-9])
    (tmp_path / "metrics.jsonl").write_text('{"a": \n{"a": 1}\n')
    named = [text.split(":")[0] for text in files.not_whole(tmp_path)]
    assert named == ["a.json", "a.npz", "a.png", "index.html", "metrics.jsonl"]


def test_times_are_not_compared_and_numbers_are(tmp_path):
    def folder(name, seconds, loss):
        here = tmp_path / name
        write_json(here / "a.json", {"seconds": seconds, "epochs": [{"loss": loss}]})
        (here / "t.csv").write_text(f"loss,seconds\n{loss},{seconds}\n")
        (here / "metrics.jsonl").write_text(json.dumps({"seconds": seconds, "loss": loss}) + "\n")
        (here / "good.npz").write_text(name)
        return files.content(here)

    first = folder("a", 1.0, 0.5)
    assert files.differing(folder("b", 2.0, 0.5), first) == []
    assert files.differing(folder("c", 1.0, 0.6), first) == ["a.json", "metrics.jsonl", "t.csv"]
    assert files.differing(first | {"more.npz": ""}, first) == ["more.npz"]


def test_what_differs_on_one_core_is_said(tmp_path):
    text = """
import json, os
json.dump({"cores": len(os.sched_getaffinity(0))}, open("cores.json", "w"))
json.dump({"same": 1, "seconds": os.getpid()}, open("same.json", "w"))
"""
    wanted = {"stand-in": script(tmp_path, text)}
    ways = (Way("all"), Way("again"), Way("one core", one_core=True))
    found = determinism.same_in_all_ways(wanted, ways, "small", quiet)
    assert found["different"]["again"] == []
    one_core = found["different"]["one core"]
    assert one_core == (["cores.json"] if cores() > 1 else [])
    assert len(found["faults"]) == len(one_core)
    record = found | {"devices": {"pairs": [], "kinds": ["cpu"]}}
    assert "cores.json" in determinism.table(record).markdown() or not one_core


def test_distill_is_the_same_on_one_core_and_on_all_devices():
    found = determinism.run("small", quiet)
    assert found["faults"] == []
    assert found["devices"]["pairs"]


def test_devices_too_far_apart_are_faults():
    pair = {"devices": ["cpu:0", "gpu:0"], "dtype": "float32", "loss": 1e-3, "gradient": 1e-5}
    assert devices.faults([pair | {"loss": 1e-5}]) == []
    (fault,) = devices.faults([pair])
    assert "loss" in fault
    assert devices.faults([pair | {"loss": float("nan")}])


def watched(steps=4000, **changes):
    """What the process of a long run writes down, when all is well."""
    samples = [
        {
            "step": step,
            "rss": 10**8,
            "descriptors": 5,
            "threads": 9,
            "files": {"metrics.jsonl": 170 * step, "state.npz": 100},
        }
        for step in range(200, steps + 1, 200)
    ]
    for sample in samples[-10:]:
        sample.update(changes)
    return {"samples": samples, "seconds": [0.001] * steps, "compiled_at": [0, 0]}


def test_a_steady_long_run_has_no_faults():
    found = soak.figures(watched(), 1000)
    assert found["faults"] == []
    assert found["metrics_bytes_per_step"] == 170
    assert found["rss_growth"] == 0
    assert soak.table(found).rows


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rss": 102 * 10**6}, "2.00%"),
        ({"threads": 10}, "threads vary"),
        ({"descriptors": 6}, "descriptors vary"),
        ({"files": {"metrics.jsonl": 1, "state.npz": 110}}, "files grew"),
        ({"files": {"metrics.jsonl": 1, "state.npz": 100, "x": 1}}, "new files"),
    ],
)
def test_what_grows_is_a_fault(changes, said):
    (fault,) = soak.figures(watched(**changes), 1000)["faults"]
    assert said in fault


def test_slower_steps_and_later_compilations_are_faults():
    found = watched()
    found["seconds"][2000:] = [0.002] * 2000
    found["compiled_at"] += [1500]
    slower, compiled = soak.figures(found, 1000)["faults"]
    assert "2.00 times" in slower
    assert "1 programs compiled" in compiled


def test_a_long_run_compiles_nothing_more_and_keeps_its_memory():
    found = soak.run("small", quiet)
    assert found["compiled_after"] == 0
    assert found["rss_growth"] < 0.05
    assert found["grown"] == {}
    assert len(found["descriptors"]) == 1


@pytest.fixture
def parts(monkeypatch):
    """Stand-ins for the parts: name -> record."""
    records = {
        "kills": {"tried": 3, "faults": []},
        "soak": {"tried": 5, "faults": [], "refused": 2},
    }

    def fake(name):
        if name not in records:
            return None
        return types.SimpleNamespace(run=lambda size, say: records[name])

    monkeypatch.setattr(driver, "part", fake)
    monkeypatch.setattr("benchmarks.torture.report._module", fake)
    return records


def test_parts_are_merged_into_the_results_there_are(tmp_path, parts):
    output = tmp_path / "r.md"
    assert driver.main(["--only", "kills", "--output", str(output)]) == 0
    assert driver.main(["--only", "soak", "--output", str(output)]) == 0
    assert set(json.loads(output.with_suffix(".json").read_text())["records"]) == {"kills", "soak"}
    text = output.read_text()
    assert "2 refused" in text
    assert "not run" in text


def test_faults_and_missing_parts_are_the_status(tmp_path, parts, capsys):
    output = ["--output", str(tmp_path / "r.md")]
    parts["soak"]["faults"] = ["memory | grew ```"]
    assert "soak" in driver.main(["--only", "kills", "soak", *output])
    assert "memory | grew" in (tmp_path / "r.md").read_text()
    assert "faults" in driver.main(["--only", "faults", *output])
    assert "faults.py" in capsys.readouterr().out


def test_a_part_that_fails_itself_has_a_fault(tmp_path, parts):
    del parts["kills"]["tried"]
    broken = types.SimpleNamespace(run=lambda size, say: 1 / 0)
    record = driver.tortured(broken, "small", driver.Console())
    assert "ZeroDivisionError" in record["faults"][0]
