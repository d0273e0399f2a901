"""A run's folder: what may change when it goes on, and what is done about damaged files."""

import json

import numpy as np
import pytest
from small import small_set

from mttjax.config.methods import DD, LD, Condensation, Selection
from mttjax.config.settings import Settings
from mttjax.runs.folder import EXTENDABLE, RunFolder
from mttjax.system.errors import InputError

SETTINGS = {
    "mtt": Settings(),
    "dm": Settings(method="dm", distill=Condensation()),
    "dd": Settings(method="dd", distill=DD()),
    "ld": Settings(method="ld", distill=LD()),
    "random": Settings(method="random", distill=Selection()),
}


def names(tree, prefix=""):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from names(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def changed(record, name):
    """A copy of a record of settings in which one field has another value."""
    record = json.loads(json.dumps(record))
    *groups, last = name.split(".")
    inner = record
    for group in groups:
        inner = inner[group]
    inner[last] = ["another", inner[last]]
    return record


def quiet(line):
    pass


@pytest.mark.parametrize("method", SETTINGS)
def test_what_a_resumed_run_may_change_field_by_field(method, tmp_path):
    record, folder = SETTINGS[method].decisive(), RunFolder(tmp_path)
    for name in names(record):
        folder.begin(record)
        if name in EXTENDABLE:
            folder.begin(changed(record, name))
            folder.begin(record)
            continue
        before = (tmp_path / "config.json").read_bytes()
        with pytest.raises(InputError, match=f"other settings: {name} was .*, is .*another"):
            folder.begin(changed(record, name))
        assert (tmp_path / "config.json").read_bytes() == before


def test_what_may_change_is_little():
    assert {n for n in EXTENDABLE if not n.startswith("evaluate.")} == {
        "distill.steps",
        "distill.save_every",
        "experts.epochs",
    }
    assert {n for n in EXTENDABLE if n.startswith("evaluate.")} == {
        f"evaluate.{name}" for name in SETTINGS["mtt"].evaluate.__dataclass_fields__
    }


def test_other_versions_are_told_and_do_not_stop_a_run(tmp_path, monkeypatch):
    RunFolder(tmp_path).begin({"a": 1})
    monkeypatch.setattr("mttjax.runs.folder.versions", lambda: {"jax": "99"})
    lines = []
    RunFolder(tmp_path).begin({"a": 1}, lines.append)
    (line,) = lines
    assert line.startswith("other versions than so far, the last bits may differ: ")
    assert "→ 99" in line


# --- states ---------------------------------------------------------------------------


def state(step):
    return {"step": np.int32(step), "x": np.arange(5, dtype=np.float32) + step}


@pytest.fixture
def folder(tmp_path):
    """A run that saved at steps 0, 10 and 20."""
    folder = RunFolder(tmp_path / "run")
    folder.begin({"a": 1})
    for step in (0, 10, 20):
        folder.save_state(state(step))
    return folder


def step_of(folder, settings=None, log=quiet):
    again = RunFolder(folder.path)
    again.begin(settings or {"a": 1}, log)
    loaded = again.load_state(state(0), log)
    return None if loaded is None else int(loaded["step"])


def test_the_last_state_is_taken_and_the_one_before_is_kept(folder, tmp_path):
    assert step_of(folder) == 20
    states = sorted(path.name for path in folder.path.glob("*.npz"))
    assert states == ["state.before.npz", "state.npz"]
    assert step_of(RunFolder(tmp_path / "new")) is None


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-7], lambda b: b"", lambda b: b.replace(b"\x00\x00\xa0", b"\x00\x01\xa0")],
)
def test_a_damaged_state_is_passed_over_for_the_one_before(folder, damage):
    path, lines = folder.path / "state.npz", []
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert damage(whole) != whole
    assert step_of(folder, log=lines.append) == 10
    assert "state.npz: not a whole .npz" in lines[0]
    lines.clear()
    assert step_of(folder, log=lines.append) == 10
    assert not lines  # mended: the next has nothing to pass over


def test_killed_between_the_two_files_of_a_save_it_has_the_state_before(folder):
    (folder.path / "state.npz").rename(folder.path / "state.before.npz")
    assert step_of(folder) == 20
    assert step_of(folder) == 20


def test_without_any_whole_state_it_says_how_to_begin_again(folder):
    for path in folder.path.glob("*.npz"):
        path.write_bytes(b"no state")
    with pytest.raises(InputError, match=r"no state of this run is whole: .*begin it again.*remov"):
        step_of(folder)
    assert (folder.path / "state.npz").read_bytes() == b"no state"


def test_the_state_of_another_run_is_not_gone_on_from(folder, tmp_path):
    other = RunFolder(tmp_path / "other")
    other.begin({"a": 2})
    for name in ("state.npz", "state.before.npz"):
        (folder.path / name).rename(other.path / name)
    with pytest.raises(InputError, match="the state of a run with other settings: a was 1, is 2"):
        step_of(other, {"a": 2})


def test_states_without_their_settings_are_not_gone_on_from(folder):
    (folder.path / "config.json").unlink()
    with pytest.raises(InputError, match=r"no such file.*is not known"):
        step_of(folder)


def test_damaged_settings_are_taken_from_the_last_set(folder):
    folder.save("last", small_set(settings={"a": 1, "step": 20}))
    lines = []
    (folder.path / "config.json").write_text("{")
    assert step_of(folder, log=lines.append) == 20
    assert "taken from last.npz" in lines[0]
    (folder.path / "config.json").write_text("{")
    with pytest.raises(InputError, match="a was 1, is 2"):
        step_of(folder, {"a": 2})


# --- what it answers ------------------------------------------------------------------


def test_a_folder_answers_questions(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert (folder.config(), folder.metrics(), folder.results()) == ({}, [], {})
    with pytest.raises(InputError, match="no distilled set there"):
        folder.sets()
    folder.begin({"a": 1})
    folder.save("best", small_set(2))
    folder.metrics_log.write({"step": 1, "seconds": 0.5})
    folder.metrics_log.write({"step": 2, "seconds": None})
    folder.metrics_log.close()
    folder.save_results({"rows": {}})
    assert folder.config()["a"] == 1
    assert folder.seconds() == 0.5
    assert folder.results() == {"rows": {}}
    assert list(folder.sets()) == ["best on validation"]
    assert folder.load("best").ipc == 2
    assert "sets best" in repr(folder)
