"""A small piece of ``make torture``: kills, one core, a long run; and what it counts as a fault."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from mttjax.system.files import write_json
from mttjax.system.npz import write_arrays
from tests.torture import soak
from tests.torture.kills import Reference, lives
from tests.torture.places import Place, command_line, content, differing, not_whole

DM = ("--method", "dm", "--distill.validation.networks", "0")


def test_a_run_killed_in_a_write_and_stopped_ends_alike_on_one_core(tmp_path):
    commands = {"distill": command_line("distill", *DM, "--distill.steps", "20")}
    reference, counts = Reference(commands, tmp_path, syncs=14), Counter()
    plans = {"distill": ["write", "write", "TERM"]}
    rng = np.random.default_rng(1)
    assert lives(reference, plans, tmp_path, 1, counts, rng) == []
    assert counts["runs let finish"] == 1
    assert counts["of them within a write"] == 2
    made = {f"runs/torture-dm-ipc1/{name}.npz" for name in ("last", "state")}
    assert made <= set(reference.content)


@pytest.mark.slow
def test_a_long_run_compiles_nothing_more_and_leaves_nothing_behind(tmp_path):
    place = Place(tmp_path / "soak", tmp_path / "cache")
    samples, metrics = soak.watched(place, 1000, *DM, "--network.width", "4")
    assert metrics[-1]["step"] == 1000
    assert soak.figures(samples, metrics, 500)[1] == []


def sample(step, **changes):
    usual = {"rss": 10**8, "threads": 9, "descriptors": 6, "compiled": 3, "files": {"state.npz": 9}}
    return {"step": step} | usual | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rss": 1.02e8}, "memory grew by 2.00%"),
        ({"compiled": 4}, "compiled later"),
        ({"descriptors": 7}, "descriptors"),
        ({"threads": 10}, "threads"),
        ({"files": {"state.npz": 10}}, "files grew: .'state.npz'"),
        ({"files": {"state.npz": 9, "more": 1}}, "new files: .'more'"),
    ],
)
def test_what_grows_is_a_fault(changes, said):
    metrics = [{"step": n, "seconds": 0.001} for n in range(1, 101)]
    early = [sample(n) for n in range(10, 60)]
    assert soak.figures(early + [sample(n) for n in range(60, 99)], metrics, 20)[1] == []
    (fault,) = soak.figures(early + [sample(n, **changes) for n in range(60, 99)], metrics, 20)[1]
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(fault)


@pytest.fixture
def made(tmp_path):
    """A folder with a file of each kind."""
    write_arrays(tmp_path / "a.npz", {"x": np.arange(9)})
    write_json(tmp_path / "a.json", {"mean": 0.5, "seconds": 3, "rows": [{"date": "now"}]})
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"st')
    (tmp_path / "index.html").write_text("<html></html>\n")
    return tmp_path


@pytest.mark.parametrize("name", ["a.npz", "a.json", "metrics.jsonl", "index.html"])
def test_a_file_that_is_cut_is_not_whole(made, name):
    assert not_whole(made) == []
    data = (made / name).read_bytes()
    (made / name).write_bytes(data[: math.ceil(len(data) / 2)] + b"\n")
    (fault,) = not_whole(made)
    assert fault.startswith(name)


def test_content_differs_by_numbers_and_not_by_times(made):
    (made / "metrics.jsonl").unlink()
    before, value = content(made), {"mean": 0.5, "seconds": 4, "rows": [{"date": "then"}]}
    write_json(made / "a.json", value)
    assert differing(content(made), before) == []
    write_json(made / "a.json", value | {"mean": 0.6})
    (made / "more.json").write_text(json.dumps({}))
    assert differing(content(made), before) == ["a.json", "more.json"]
