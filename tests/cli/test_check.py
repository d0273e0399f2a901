"""``bin/check``: stores, runs, sets and tables, whole and not; what it says and what it removes."""

import json

import numpy as np
import pytest
from PIL import Image
from small import small_set

from mttjax import cli
from mttjax.cli.check import check_path
from mttjax.core.preprocessing import Standardize
from mttjax.distilled import save_distilled
from mttjax.experts.store import ExpertStore
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError
from mttjax.system.files import write_json
from mttjax.system.findings import Findings
from mttjax.system.npz import read_arrays, write_arrays

SETTINGS = {"method": "mtt", "seed": 0, "distill": {"steps": 12, "lr_img": 30}}


def make_store(folder, seed=0):
    """Two experts of two epochs."""
    store = ExpertStore(folder)
    store.create({"seed": seed}, Standardize(np.float32([0.25]), np.float32([0.5])))
    for expert in range(2):
        for epoch in range(3):
            params = {"w": np.float32([expert, epoch, seed])}
            correct = np.arange(9) % 2 == 0 if epoch else None
            store.save(expert, epoch, params, record={"loss": 1.0}, correct=correct)
    return folder


def state(step, best_step=8):
    images = np.full((3, 8, 8, 1), step, np.float32)
    return {
        "outer": {"synthetic": {"images": images}},
        "step": np.int32(step),
        "best": np.float32(0.5),
        "best_step": np.int32(best_step),
    }


def set_of(step, **changes):
    images = np.full((3, 8, 8, 1), step, np.float32)
    return small_set(images=images, settings=SETTINGS | {"step": step} | changes)


def make_run(folder):
    """A run that has done 12 steps, its best at step 8."""
    run = RunFolder(folder, SETTINGS)
    run.save_first(state(0))
    run.save_state(state(8))
    run.keep_as_good(8)
    run.save_state(state(12))
    for step in range(1, 13):
        run.metrics.write({"step": step, "loss": 1.0})
    run.metrics.close()
    save_distilled(folder / "best.npz", set_of(8))
    save_distilled(folder / "last.npz", set_of(12))
    (folder / "grids").mkdir()
    Image.new("L", (9, 9)).save(folder / "grids" / "last.png")
    return folder


def make_table(folder):
    for seed in range(2):
        result = {"accuracies": [0.5, 0.6], "settings": {"seed": seed}}
        write_json(folder / "cells" / "short" / f"dm-ipc1-seed{seed}.json", result)
    return folder


MAKERS = {"store": make_store, "run": make_run, "table": make_table}


def checked(path):
    lines = []
    return check_path(path, lines.append), lines


def spoil(path):
    """Flips a bit in the middle; a CRC or checksum is wrong then."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def only_fault(path):
    (fault,) = checked(path)[0].faults
    return fault


# --- what is whole -------------------------------------------------------------------------


def test_what_is_whole_has_no_fault(tmp_path):
    for name, make in MAKERS.items():
        make(tmp_path / name)
    save_distilled(tmp_path / "a.npz", small_set())
    for name, expected, files in (
        ("store", "store of 2 experts with 2 epochs", 13),
        ("run", "run of 2 sets, 12 steps done", 7),
        ("table", "table of 2 cells", 2),
        ("a.npz", "set of 1 images per class of bright", 1),
    ):
        found, lines = checked(tmp_path / name)
        assert lines == [f"{tmp_path / name}: {expected}"]
        assert (found.faults, found.notes, found.removable) == ([], [], [])
        assert found.checked == files
    found, lines = checked(tmp_path)
    assert [line.split(": ")[1].split()[0] for line in lines] == ["set", "run", "store", "table"]
    assert (found.faults, found.checked) == ([], 23)


def test_where_there_is_nothing_it_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, message in (("nowhere", "no such file or folder"), ("empty", "no expert store, run")):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            check_path(tmp_path / name)


def test_what_a_killed_process_left_is_a_note(tmp_path):
    make_run(tmp_path / "run")
    (tmp_path / "run" / ".state.npz.abc.tmp").touch()
    found, _ = checked(tmp_path)
    assert found.faults == []
    assert ".state.npz.abc.tmp: left by a process" in found.notes[0]


# --- stores ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["0001/002.npz", "0000/001.correct.npz", "preprocessing.npz"])
def test_a_damaged_file_of_a_store_is_named(name, tmp_path):
    spoil(make_store(tmp_path) / name)
    fault = only_fault(tmp_path)
    assert fault.startswith(f"{tmp_path / name}: not a whole .npz")
    assert fault.count(name) == 1


def test_a_lost_snapshot_is_named_and_an_unknown_one_noted(tmp_path):
    make_store(tmp_path)
    (tmp_path / "0001" / "001.npz").rename(tmp_path / "0001" / "007.npz")
    assert f"{tmp_path}/0001/001.npz: the manifest knows this" in only_fault(tmp_path)
    assert "0001/007.npz: the manifest does not know it" in checked(tmp_path)[0].notes[0]


def test_a_snapshot_in_the_place_of_another_is_named(tmp_path):
    make_store(tmp_path)
    (tmp_path / "0000" / "002.npz").write_bytes((tmp_path / "0001" / "002.npz").read_bytes())
    assert "0000/002.npz: its arrays have the checksum" in only_fault(tmp_path)


def test_a_damaged_or_lost_manifest_is_named_and_the_one_before_it_used(tmp_path):
    path = make_store(tmp_path) / "manifest.json"
    whole = path.read_bytes()
    for damage in (spoil, lambda p: p.unlink()):
        damage(path)
        assert only_fault(tmp_path).startswith(f"{path}: passed over: {path}: ")
        assert "0001/002.npz: the manifest does not know it" in checked(tmp_path)[0].notes[1]
        path.write_bytes(whole)
    for name in ("manifest.json", "manifest.before.json"):
        spoil(tmp_path / name)
    found, _ = checked(tmp_path)
    assert "Put back a copy of it" in found.faults[0]
    assert found.removable == []


def test_a_damaged_copy_of_the_manifest_is_named_and_can_be_removed(tmp_path):
    path = make_store(tmp_path) / "manifest.before.json"
    spoil(path)
    assert only_fault(tmp_path).startswith(f"{path}: ")
    assert checked(tmp_path)[0].removable == [path]


def test_the_manifest_of_another_store_does_not_condemn_the_snapshots(tmp_path):
    make_store(tmp_path / "a")
    make_store(tmp_path / "b", seed=1)
    other = (tmp_path / "b" / "manifest.json").read_bytes()
    (tmp_path / "a" / "manifest.json").write_bytes(other)
    assert "manifest.json: none of the snapshots is what it says" in only_fault(tmp_path / "a")
    assert checked(tmp_path / "a")[0].removable == []


def test_parameters_that_are_not_finite_are_named(tmp_path):
    store = ExpertStore(make_store(tmp_path))
    store.save(1, 2, {"w": np.float32([1, np.nan, 1])}, record={}, correct=np.ones(9, bool))
    assert "0001/002.npz: it holds numbers that are not finite" in only_fault(tmp_path)


# --- runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["config.json", "state.npz", "good.npz", "last.npz", "best.npz", "grids/last.png"]
)
def test_a_damaged_file_of_a_run_is_named(name, tmp_path):
    spoil(make_run(tmp_path) / name)
    assert only_fault(tmp_path).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("name", ["config.json", "last.npz", "best.npz"])
def test_a_lost_file_of_a_run_is_named(name, tmp_path):
    (make_run(tmp_path) / name).unlink()
    assert only_fault(tmp_path).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("name", ["state.npz", "good.npz"])
def test_a_lost_state_is_a_note_as_the_run_goes_on_without_it(name, tmp_path):
    (make_run(tmp_path) / name).unlink()
    found, _ = checked(tmp_path)
    assert found.faults == []
    assert found.notes[0].startswith(f"{tmp_path / name}: it is not there")


def test_without_any_whole_state_it_says_what_that_means(tmp_path):
    make_run(tmp_path)
    for name in ("state.npz", "good.npz"):
        spoil(tmp_path / name)
    assert "no state is whole: with them removed the run begins" in checked(tmp_path)[0].faults[-1]


def test_a_result_and_metrics_that_are_damaged_are_named(tmp_path):
    make_run(tmp_path)
    write_json(tmp_path / "results.json", {"rows": {}, "epochs": 3})
    spoil(tmp_path / "results.json")
    assert only_fault(tmp_path).startswith(f"{tmp_path / 'results.json'}: ")
    (tmp_path / "results.json").unlink()
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    assert "metrics.jsonl: line 2" in only_fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "distilled", "message"),
    [
        ("last", set_of(8), "it is of step 8, the run is at 12"),
        ("best", set_of(12), "it is of step 12, the best was step 8"),
        ("last", set_of(12, seed=1), "another run than config.json: seed was 1, is 0"),
        ("best", set_of(8, method="dm"), "another run than config.json: method was 'dm'"),
        ("last", small_set(settings=SETTINGS | {"step": 12}), "not those of step 12"),
    ],
)
def test_a_set_that_does_not_belong_to_the_run_is_named(name, distilled, message, tmp_path):
    path = make_run(tmp_path) / f"{name}.npz"
    save_distilled(path, distilled)
    fault = only_fault(tmp_path)
    assert fault.startswith(f"{path}: ")
    assert message in fault


def test_sets_of_a_later_step_are_what_a_kill_leaves(tmp_path):
    make_run(tmp_path)
    for name in ("last", "best"):
        save_distilled(tmp_path / f"{name}.npz", set_of(14))
    assert checked(tmp_path)[0].faults == []


def test_a_state_of_another_run_is_named(tmp_path):
    make_run(tmp_path)
    arrays = read_arrays(tmp_path / "good.npz")
    arrays["settings"] = np.array(json.dumps(SETTINGS | {"seed": 3}))
    write_arrays(tmp_path / "good.npz", arrays)
    assert "good.npz: it is of another run than config.json: seed was 3" in only_fault(tmp_path)


def test_settings_of_another_run_do_not_condemn_its_files(tmp_path):
    make_run(tmp_path)
    write_json(tmp_path / "config.json", SETTINGS | {"seed": 3})
    fault = only_fault(tmp_path)
    assert "config.json: all states and sets are of another run: seed was 0, is 3" in fault


def test_what_may_change_when_a_run_goes_on_is_no_fault(tmp_path):
    make_run(tmp_path)
    write_json(tmp_path / "config.json", SETTINGS | {"distill": {"steps": 99, "lr_img": 30}})
    assert checked(tmp_path)[0].faults == []


# --- the command -----------------------------------------------------------------------------


def command(capsys, *arguments):
    """(status, lines of standard output)."""
    status = cli.check.main([*map(str, arguments)])
    return status, capsys.readouterr().out.splitlines()


def test_the_command_says_that_all_is_whole(tmp_path, capsys):
    make_store(tmp_path)
    assert command(capsys, tmp_path) == (
        0,
        [f"{tmp_path}: store of 2 experts with 2 epochs", "13 files checked, no faults"],
    )


def test_the_command_names_faults_and_touches_nothing(tmp_path, capsys):
    make_store(tmp_path / "store")
    make_run(tmp_path / "run")
    spoil(tmp_path / "store" / "0000" / "000.npz")
    (tmp_path / "run" / "best.npz").unlink()
    (tmp_path / "store" / "0007").mkdir()
    write_arrays(tmp_path / "store" / "0007" / "000.npz", {})
    before = sorted(tmp_path.rglob("*"))
    status, lines = command(capsys, tmp_path)
    assert status == 1
    assert [line.split(": ")[0] for line in lines[2:5]] == ["note", "FAULT", "FAULT"]
    assert lines[-1].endswith("files checked, 2 faults")
    assert sorted(tmp_path.rglob("*")) == before


def test_only_what_is_made_again_is_removed(tmp_path, capsys):
    store, run, table = (make(tmp_path / name) for name, make in MAKERS.items())
    again = [
        *(store / "0001" / "001.npz", store / "0000" / "002.correct.npz", run / "state.npz"),
        *(run / "grids" / "last.png", table / "cells" / "short" / "dm-ipc1-seed1.json"),
    ]
    kept = [store / "preprocessing.npz", run / "best.npz", run / "last.npz", run / "config.json"]
    for path in (*again, *kept):
        spoil(path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    status, lines = command(capsys, tmp_path, "--remove")
    assert status == 1
    assert {line for line in lines if line.startswith("removed")} == {
        f"removed: {p}" for p in again
    }
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before - set(again)
    status, lines = command(capsys, tmp_path, "--remove")
    assert status == 1
    assert not [line for line in lines if line.startswith("removed")]


def test_nothing_to_check_is_a_message(tmp_path):
    assert cli.check.main([str(tmp_path)]).startswith(f"check: {tmp_path}: no expert store")


def test_a_system_error_is_a_fault_of_its_file(tmp_path):
    findings = Findings()
    with findings.of(tmp_path / "a", "Do this"):
        raise PermissionError(13, "Permission denied")
    assert findings.faults == [f"{tmp_path}/a: [Errno 13] Permission denied. Do this"]
