"""A run's folder: what may change when it goes on, and what is done about damaged files."""

import dataclasses
import json

import numpy as np
import pytest

from mttjax.config.methods import Condense, LearnLabels, LearnThrough, Select
from mttjax.config.settings import Settings
from mttjax.runs.folder import RunFolder
from mttjax.runs.workflows import EXTENDABLE
from mttjax.system.errors import InputError
from mttjax.system.metrics import Metrics

DEFAULTS = {
    "mtt": Settings(),
    "dm": Settings(method="dm", distill=Condense()),
    "dd": Settings(method="dd", distill=LearnThrough()),
    "ld": Settings(method="ld", distill=LearnLabels()),
    "random": Settings(method="random", distill=Select()),
}


def flat(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def changed(record, name):
    """A copy of a settings record in which one field has another value."""
    record = json.loads(json.dumps(record))
    *groups, last = name.split(".")
    inner = record
    for group in groups:
        inner = inner[group]
    inner[last] = ["another", inner[last]]
    return record


FIELDS = [(m, name) for m, s in DEFAULTS.items() for name in flat(s.record())]


@pytest.mark.parametrize(("method", "name"), FIELDS, ids=lambda x: x)
def test_what_a_resumed_run_may_change_field_by_field(method, name, tmp_path):
    record = DEFAULTS[method].record()
    RunFolder(tmp_path, record, EXTENDABLE)
    if name in EXTENDABLE:
        RunFolder(tmp_path, changed(record, name), EXTENDABLE)
        return
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(InputError, match=f"other settings: {name} was .*, is .*another"):
        RunFolder(tmp_path, changed(record, name), EXTENDABLE)
    assert (tmp_path / "config.json").read_bytes() == before


def test_what_may_change_is_said_and_is_little(tmp_path):
    RunFolder(tmp_path, {"a": 1, "b": 2}, ("b",))
    with pytest.raises(InputError, match=r"a was 1, is 2.*only b may change"):
        RunFolder(tmp_path, {"a": 2, "b": 3}, ("b",))
    fields = {f.name for f in dataclasses.fields(DEFAULTS["mtt"].evaluate)}
    assert set(EXTENDABLE) == {"distill.steps", "distill.fallbacks", "experts.epochs"} | {
        f"evaluate.{name}" for name in fields
    }


def test_other_versions_are_told_and_do_not_stop_a_run(tmp_path, monkeypatch):
    RunFolder(tmp_path, {"a": 1})
    monkeypatch.setattr("mttjax.runs.folder.versions", lambda: {"jax": "99"})
    lines = []
    RunFolder(tmp_path, {"a": 1}, log=lines.append)
    (line,) = lines
    assert line.startswith("other versions than so far, the last bits may differ: ")
    assert "→ 99" in line


# --- states ---------------------------------------------------------------------------


def state(step):
    return {"step": np.int32(step), "x": np.arange(5, dtype=np.float32) + step}


@pytest.fixture
def folder(tmp_path):
    """A run whose last save is of step 20 and whose good one is of step 10."""
    folder = RunFolder(tmp_path / "run", {"a": 1})
    folder.save_first(state(0))
    folder.save_state(state(10))
    folder.keep_as_good(10)
    folder.save_state(state(20))
    return folder


def reopened(folder):
    lines = []
    return RunFolder(folder.path, {"a": 1}, log=lines.append), lines


def step_of(folder):
    found = folder.load_state(state(0))
    return None if found is None else int(found["step"])


def test_the_last_state_is_taken(folder):
    assert step_of(folder) == 20
    assert int(folder.load_good(state(0))["step"]) == 10
    assert RunFolder(folder.path.parent / "new", {}).load_state(state(0)) is None


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-7], lambda b: b"", lambda b: b.replace(b"\x00\x00\xa0", b"\x00\x01\xa0")],
)
def test_a_damaged_state_is_passed_over_for_the_one_before(folder, damage):
    whole = folder.state_path.read_bytes()
    folder.state_path.write_bytes(damage(whole))
    assert damage(whole) != whole
    again, lines = reopened(folder)
    assert step_of(again) == 10
    assert "state.npz: not a whole .npz" in lines[0]
    assert step_of(reopened(folder)[0]) == 10  # mended: the next has nothing to pass over


def test_a_lost_state_is_passed_over_too(folder):
    folder.state_path.unlink()
    assert step_of(reopened(folder)[0]) == 10


def test_without_any_whole_state_it_says_how_to_begin_again(folder):
    for path in (folder.state_path, folder.good_path):
        path.write_bytes(b"no state")
    with pytest.raises(InputError, match=r"no state of this run is whole: .*begin it again.*good"):
        step_of(folder)
    assert folder.state_path.read_bytes() == b"no state"


def test_a_stop_between_two_saves_keeps_the_save_until_it_is_known_to_be_good(folder):
    for step in (23, 25):
        folder.save_between(state(step), 20)
        assert step_of(folder) == step
    folder.keep_as_good(20)
    folder.save_state(state(30))
    assert (step_of(folder), int(folder.load_good(state(0))["step"])) == (30, 20)
    folder.save_between(state(33), 30)
    folder.save_state(state(40))  # it was not good
    assert int(folder.load_good(state(0))["step"]) == 20
    assert sorted(p.name for p in folder.path.glob("*.npz")) == ["good.npz", "state.npz"]


@pytest.mark.parametrize("cut", ["moved to good", "moved aside"])
def test_killed_between_two_renames_it_has_a_state(folder, cut):
    if cut == "moved to good":
        folder.keep_as_good(20)
    else:
        folder.state_path.rename(folder.path / "state.000020.npz")
    assert step_of(reopened(folder)[0]) == 20


def test_states_without_their_settings_are_not_gone_on_from(folder):
    (folder.path / "config.json").unlink()
    with pytest.raises(InputError, match=r"no such file.*is not known.*--run\.folder"):
        reopened(folder)


def test_damaged_settings_are_taken_from_the_last_set(folder):
    text = json.dumps({"settings": {"a": 1, "step": 20}})
    np.savez(folder.path / "last.npz", metadata=np.array(text))
    (folder.path / "config.json").write_text("{")
    again, lines = reopened(folder)
    assert "taken from last.npz" in lines[0]
    assert step_of(again) == 20
    (folder.path / "config.json").write_text("{")
    with pytest.raises(InputError, match="a was 1, is 2"):
        RunFolder(folder.path, {"a": 2}, log=lines.append)


# --- metrics --------------------------------------------------------------------------


def test_lines_after_a_step_are_forgotten_and_a_cut_one_with_them(tmp_path):
    metrics = Metrics(tmp_path / "metrics.jsonl")
    for step in (0, 1, 2, 3):
        metrics.write({"step": step})
    metrics.flush()
    with open(metrics.path, "ab") as file:
        file.write(b'{"step": 4, "lo')
    metrics.forget_after(2)
    metrics.write({"step": 3, "again": True})
    metrics.close()
    lines = [json.loads(line) for line in metrics.path.read_text().splitlines()]
    assert lines == [{"step": 0}, {"step": 1}, {"step": 2}, {"step": 3, "again": True}]
    metrics.forget_after(-1)
    assert metrics.path.read_text() == ""
