"""The driver of the benchmarks: counts, verdicts, tables, and runs of its smallest sizes."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as driver
from benchmarks import compare
from benchmarks.experiments import table_host_work
from benchmarks.machine import has_torch
from benchmarks.pair_tables import Pair, pair_tables
from benchmarks.records import Records
from benchmarks.rows import PLANS, rows
from benchmarks.tables import Table, at_least, at_most, bytes_text, seconds_text, spread_text
from benchmarks.works import Net

AGREES = {"case": "none", "differences": {"loss": 1e-15}, "tolerance": 1e-8, "agrees": True}
needs_torch = pytest.mark.skipif(not has_torch(), reason="torch is in the extra bench")


def test_operations_counted_by_hand():
    by_hand = 2 * 9 * 2 * 3 * 8 * 12 + 2 * 9 * 3 * 3 * 4 * 6 + 2 * (2 * 3 * 3) * 5
    assert Net((8, 12, 2), 5, 2, 3).flops == by_hand
    assert Net((32, 32, 3), 10, 3, 128).flops == pytest.approx(0.101e9, rel=0.01)
    padded = 2 * 9 * 1 * 4 * 32 * 32 + 2 * 16 * 16 * 4 * 10
    assert Net((28, 28, 1), 10, 1, 4).flops == padded
    assert rows("full")[0].work.flops == 11 * 10 * 50 * Net((32, 32, 3), 10, 3, 128).flops


def test_verdicts():
    assert at_least(1.31, 1.3) == "met (1.31x, budget 1.30x)"
    assert at_least(1.1, 1.3) == "not met (1.10x of 1.30x)"
    assert at_most(1.1, 1.5) == "met (1.10x, budget 1.50x)"
    assert at_most(16.04, 15, "{:.1f} s".format) == "not met (16.0 s of 15.0 s)"
    assert at_least(None, 10) == "not measured (budget 10.00x)"
    assert at_least(2.0, None) == at_most(None, None) == ""


def test_numbers_in_cells():
    assert [seconds_text(x) for x in (0.01234, 123.4)] == ["12.3 ms", "123 s"]
    assert spread_text([1.0, 2.0, 1.2], 1.2) == "1.20 s (1.00-2.00)"
    assert [bytes_text(n) for n in (1.5e9, 2e6, None)] == ["1.50 GB", "2 MB", ""]
    text = "### Title\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n\nA note."
    assert Table("Title", ["a", "b"], [["x|y", 1]], ["A note."]).markdown() == text


def pair(ours, theirs, busy=0.0, **budget):
    known = {"memory": {"bytes": 10**9, "since_start": False}, "first": 1.0, "format": "f"}
    record = {
        "title": "A row",
        "unit": "images",
        "amount": 10,
        "flops": 1e9,
        "busy": busy,
        "budget": {"speed": None, "memory": None} | budget,
        "mttjax": known | {"seconds": ours},
        "pytorch": known | {"seconds": theirs},
    }
    return Pair(record, peak=1.0)


def test_tables_of_a_pair():
    time, memory, floor = pair_tables([pair([1.0, 2.0, 3.0], [5.0, 4.0, 3.0], speed=1.5)])
    assert time.rows[0][-2:] == ["2.00x", "met (2.00x, budget 1.50x)"]
    assert memory.rows[0][4:6] == ["1.0x", ""]
    assert not time.notes
    assert floor.rows[0][-3:] == ["50 %", "25 %", "not met (50 % of 100 %)"]
    above, published = pair([0.5], [2.0]), pair([1.0], [2.0])
    published.record["official"] = published.record["pytorch"] | {"seconds": [4.0]}
    time, memory, floor = pair_tables([above, Pair(published.record, 1.0)])
    assert floor.rows[0][-4:] == ["200 %", "50 %", "", "met (200 %, budget 100 %)"]
    assert floor.rows[1][-2] == "25 %"
    assert [row[-3:-1] for row in time.rows] == [["4.00x", ""], ["2.00x", "4.00x"]]
    assert {len(row) for table in (time, memory, floor) for row in table.rows} == {10, 9, 7}
    assert [len(table.header) for table in (time, memory, floor)] == [10, 9, 7]
    busy, *_ = pair_tables([pair([1.0], [2.0], busy=0.5, speed=1.5)])
    assert "[busy]" in busy.rows[0][0]
    assert busy.rows[0][-1] == "none: the machine was busy"


def test_the_device_waits_for_what_the_loop_takes_longer():
    record = {"loop": [2.0, 1.0, 1.0], "program": [1.92, 0.9, 1.0], "others": [0.0, 0.5, 0.0]}
    record |= {"steps": 200, "save_every": 50}
    *_, share, verdict = table_host_work(record).rows[0]
    assert (share, verdict) == ("4.0 % (0.0-10.0)", "not met (4.0 % of 3.0 %)")
    assert (
        table_host_work(record | {"others": [0.5] * 3}).rows[0][-1] == "none: the machine was busy"
    )


def test_records_merge_by_name(tmp_path):
    path, run = tmp_path / "r.json", lambda i, size="quick": {"id": i, "size": size}
    first = Records(path, run("1"), keep=False)
    for name in "ab":
        first.add(name, {"x": 1})
    Records(path, run("2"), keep=True).add("b", {"x": 2})
    merged = {"a": {"x": 1, "run": "1"}, "b": {"x": 2, "run": "2"}}
    assert json.loads(path.read_text())["records"] == merged
    Records(path, run("3"), keep=False).add("b", {"x": 3})
    saved = json.loads(path.read_text())
    assert (list(saved["records"]), list(saved["runs"])) == (["b"], ["3"])
    assert Records(path, run("4", "full"), keep=True).records == {}


def test_turns_are_taken_until_the_time_is_spent():
    calls = []
    workers = [SimpleNamespace(call=lambda name=name: calls.append(name) or name) for name in "ab"]
    assert compare.take_turns(workers, PLANS["quick"]) == [["a"] * 3, ["b"] * 3]
    assert calls == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("torch", "agrees", "says"), [(False, True, "torch is missing"), (True, False, "nothing was")]
)
def test_nothing_is_timed_without_the_other_side_or_where_it_disagrees(
    tmp_path, monkeypatch, torch, agrees, says
):
    monkeypatch.setattr(driver, "has_torch", lambda: torch)
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES | {"agrees": agrees}])
    monkeypatch.setattr(compare, "compare", None)
    assert says in driver.main(["--tiny", "--output", str(tmp_path / "r.md")])


def test_an_unknown_row_is_said(tmp_path):
    assert "distill-ipc1" in driver.main(["--only", "other", "--output", str(tmp_path / "r.md")])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_host_work_is_measured_on_the_digits_without_torch(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "has_torch", lambda: False)
    output = tmp_path / "r.md"
    assert driver.main(["--tiny", "--only", "host_work", "--output", str(output)]) == 0
    record = json.loads(output.with_suffix(".json").read_text())["records"]["host-work"]
    assert [len(record[way]) for way in ("loop", "program", "others")] == [2, 2, 2]
    assert min(record["loop"] + record["program"]) > 0
    assert "Host work between the steps" in output.read_text()


@needs_torch
def test_both_sides_agree_in_every_operation():
    cases = compare.agree()
    assert [case["agrees"] for case in cases] == [True, True]
    assert cases[1]["case"] == "DSA: color crop cutout flip scale rotate"


@needs_torch
def test_a_row_is_timed_in_two_processes_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES])
    monkeypatch.setattr(compare, "matrix_peak", lambda *_, **__: {"JAX": 1e2, "PyTorch": 9e1})
    output = tmp_path / "r.md"
    assert driver.main(["--tiny", "--only", "distill-ipc1", "--output", str(output)]) == 0
    record = json.loads(output.with_suffix(".json").read_text())["records"]["distill-ipc1"]
    for side in ("mttjax", "pytorch"):
        assert record[side]["seconds"][0] > 0
    assert record["mttjax"]["temporaries"] > 0
    assert record["pytorch"]["format"] in {"channels last", "channels first"}
    parts = ("agree", "GFLOP/s: JAX 100", "### Time", "IPC 1", "### Share of the floor")
    assert [part for part in parts if part not in output.read_text()] == []


STAND_IN = Path(__file__).parent / "stand_in"


@needs_torch
def test_the_published_code_is_a_third_side(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES])
    monkeypatch.setattr(compare, "matrix_peak", lambda *_, **__: {"JAX": 1e2, "PyTorch": 9e1})
    output = tmp_path / "r.md"
    command = ["--tiny", "--official", str(STAND_IN), "--output", str(output)]
    assert driver.main([*command, "--only", "distill-ipc2-dsa", "experts", "evaluation-ipc1"]) == 0
    records = json.loads(output.with_suffix(".json").read_text())["records"]
    for name in ("distill-ipc2-dsa", "experts", "evaluation-ipc1"):
        assert records[name]["official"]["seconds"][0] > 0
    text = output.read_text()
    assert "| the published code |" in text
    assert "published code / mttjax" in text
    assert "published code reaches" in text


@needs_torch
def test_a_folder_without_the_published_code_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES])
    output = tmp_path / "r.md"
    said = driver.main(["--tiny", "--official", str(tmp_path), "--output", str(output)])
    assert "official: " in said
    assert "No module named 'networks'" in said
