"""The driver of the benchmarks: counts, verdicts, tables, and a run of its smallest row."""

import json

import pytest

pytest.importorskip("torch")

from benchmarks import __main__ as driver
from benchmarks import compare, gpu
from benchmarks.flops import flops_per_image
from benchmarks.pair_tables import pair_tables
from benchmarks.records import Records
from benchmarks.rows import PLANS, accelerator_rows, rows
from benchmarks.tables import Table, bytes_text, seconds_text, spread_text
from benchmarks.verdicts import at_least, at_most
from benchmarks.works import request, work_from

AGREES = {"case": "none", "differences": {"loss": 1e-15}, "tolerance": 1e-8, "agrees": True}


def test_operations_counted_by_hand():
    by_hand = 2 * 9 * 2 * 3 * 8 * 12 + 2 * 9 * 3 * 3 * 4 * 6 + 2 * (2 * 3 * 3) * 5
    assert flops_per_image(2, 3, (8, 12, 2), 5) == by_hand
    assert flops_per_image(3, 128, (32, 32, 3), 10) == pytest.approx(0.101e9, rel=0.01)
    padded = 2 * 9 * 1 * 4 * 32 * 32 + 2 * 16 * 16 * 4 * 10
    assert flops_per_image(1, 4, (28, 28, 1), 10) == padded


def test_a_distillation_step_is_eleven_passes_of_every_image():
    work = rows("full")[0].work
    assert work.flops == 11 * 10 * 50 * flops_per_image(3, 128, (32, 32, 3), 10)


@pytest.mark.parametrize("size", ["full", "quick", "tiny"])
def test_every_row_goes_through_json_and_has_a_name_of_its_own(size):
    found = rows(size)
    assert len({row.name for row in found}) == len(found)
    for row in found + (accelerator_rows(size) if size != "quick" else []):
        sent = json.loads(json.dumps(request(row.work)))
        assert work_from(sent["kind"], sent["work"]) == row.work
        assert row.work.short().flops <= row.work.flops


def test_verdicts():
    assert at_least(1.31, 1.3) == "met (1.31x, budget 1.30x)"
    assert at_least(1.1, 1.3) == "not met (1.10x of 1.30x)"
    assert at_most(1.1, 1.5) == "met (1.10x, budget 1.50x)"
    assert at_most(16.04, 15, "{:.1f} s".format) == "not met (16.0 s of 15.0 s)"
    assert at_least(None, 10) == "not measured (budget 10.00x)"
    assert at_least(2.0, None) == at_most(None, None) == ""


def test_numbers_in_cells():
    assert seconds_text(0.01234) == "12.3 ms"
    assert seconds_text(123.4) == "123 s"
    assert spread_text([1.0, 2.0, 1.2], 1.2) == "1.20 s (1.00-2.00)"
    assert [bytes_text(n) for n in (1.5e9, 2e6, None)] == ["1.50 GB", "2 MB", ""]
    assert compare.median([3, 1, 2]) == 2
    assert compare.median([4, 1, 2, 3]) == 2.5


def test_markdown_of_a_table():
    table = Table("Title", ["a", "b"], [["x|y", 1]], ["A note."])
    assert table.markdown() == (
        "### Title\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n\nA note.\n"
    )


def pair(ours, theirs, **budget):
    side = lambda s: {"seconds": s, "memory": {"bytes": 10**6, "since_start": False}}
    return {
        "title": "row",
        "unit": "images",
        "amount": 10,
        "flops": 1e9,
        "budget": {"speed": None, "memory": None, "floor": None} | budget,
        "mttjax": side(ours) | {"first": 1.0},
        "pytorch": side(theirs) | {"format": "f"},
    }


def test_tables_of_a_pair():
    one = pair([1.0, 2.0, 3.0], [5.0, 4.0, 3.0], speed=1.5, floor=1.5)
    time, memory, floor = pair_tables([one], lambda _: 1.0)
    assert time.rows[0][-2:] == ["2.00x", "met (2.00x, budget 1.50x)"]
    assert memory.rows[0][4:6] == ["1.0x", ""]
    assert not time.notes
    (busy, *_) = pair_tables([one | {"busy": 0.5}], lambda _: 1.0)
    assert "[busy]" in busy.rows[0][0]
    assert busy.rows[0][-1] == "none: the machine was busy"
    assert floor.rows[0][-3:] == ["50 %", "25 %", "not met (2.00x of 1.50x)"]


def test_records_merge_by_name_and_keep_the_accelerator(tmp_path):
    path = tmp_path / "r.json"
    first = Records(path, "quick", {"id": "1"}, keep=False)
    first.add("a", {"x": 1})
    first.add("b", {"x": 1})
    first.data["accelerator"] = {"run": {}}
    first.save()
    second = Records(path, "quick", {"id": "2"}, keep=True)
    second.add("b", {"x": 2})
    assert json.loads(path.read_text())["records"] == {
        "a": {"x": 1, "run": "1"},
        "b": {"x": 2, "run": "2"},
    }
    third = Records(path, "quick", {"id": "3"}, keep=False)
    third.add("b", {"x": 3})
    saved = json.loads(path.read_text())
    assert list(saved["records"]) == ["b"]
    assert list(saved["runs"]) == ["3"]
    assert saved["accelerator"]
    assert Records(path, "full", {"id": "4"}, keep=True).records == {}


def test_turns_are_taken_until_the_time_is_spent():
    class Counting:
        calls = 0

        def call(self):
            self.calls += 1
            return {"seconds": 0.0}

    workers = [Counting(), Counting()]
    answers = compare.take_turns(workers, PLANS["quick"])
    assert [len(a) for a in answers] == [w.calls for w in workers] == [3, 3]


def test_nothing_is_timed_where_the_sides_disagree(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES | {"agrees": False}])
    monkeypatch.setattr(compare, "compare", None)
    said = driver.main(["--tiny", "--output", str(tmp_path / "r.md")])
    assert "nothing was timed" in said


def test_an_unknown_row_is_said(tmp_path):
    said = driver.main(["--only", "other", "--output", str(tmp_path / "r.md")])
    assert "distill-ipc1" in said
    assert not list(tmp_path.iterdir())


def test_both_sides_agree_in_their_worker():
    (plain, augmented) = compare.agree(ops=("flip",), seeds=1)
    assert plain["agrees"]
    assert augmented["agrees"]
    assert augmented["case"] == "DSA: flip"


def test_a_row_is_timed_in_two_processes_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "agree", lambda **_: [AGREES])
    monkeypatch.setattr(compare, "matrix_peak", lambda *_, **__: {"JAX": 100.0, "PyTorch": 90.0})
    output = tmp_path / "r.md"
    assert driver.main(["--tiny", "--only", "distill-ipc1", "--output", str(output)]) == 0
    record = json.loads(output.with_suffix(".json").read_text())["records"]["distill-ipc1"]
    for side in ("mttjax", "pytorch"):
        assert record[side]["seconds"][0] > 0
    assert record["mttjax"]["temporaries"] > 0
    assert record["pytorch"]["format"] in {"channels last", "channels first"}
    text = output.read_text()
    for part in ("agree", "GFLOP/s: JAX 100", "### Time", "IPC 1", "### Against the floor"):
        assert part in text


def test_a_machine_without_an_accelerator_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "device_names", lambda _: {"jax": None, "torch": None})
    said = gpu.main(["--output", str(tmp_path / "r.md")])
    assert said.count("\n") == 0
    assert "accelerator" in said
