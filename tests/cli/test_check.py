"""``mttjax check``: stores, runs, sets and tables, whole and not; what it says and removes."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import small_dataset, small_set

from mttjax.config import Recipe
from mttjax.core.preprocessing import Standardize
from mttjax.distilled import save_distilled
from mttjax.experts.store import ExpertStore
from mttjax.paper.cells import CellResult
from mttjax.paper.verifying import check_path
from mttjax.runs.beside import keep_beside
from mttjax.runs.folder import RunFolder
from mttjax.system.files import write_json
from mttjax.system.findings import Findings
from mttjax.system.npz import read_arrays, write_arrays

SETTINGS = {"method": "mtt", "seed": 0, "distill": {"steps": 12, "lr_img": 30}}


def make_store(folder, seed=0):
    """Two experts of two epochs."""
    store = ExpertStore(folder)
    preprocessing = Standardize(np.float32([0.25]), np.float32([0.5]))
    store.create(Recipe(seed=seed), small_dataset(), preprocessing)
    for expert in range(2):
        for epoch in range(3):
            params = {"w": np.float32([expert, epoch, seed])}
            store.save(expert, epoch, params, record={"loss": 1.0})


def images_at(step):
    return np.full((3, 8, 8, 1), step, np.float32)


def state(step):
    best = {"best": np.float32(0.5), "best_step": np.int32(8)}
    return {"outer": {"synthetic": {"images": images_at(step)}}, "step": np.int32(step)} | best


def set_of(step, **changes):
    return small_set(images=images_at(step), settings=SETTINGS | {"step": step} | changes)


def make_run(folder):
    """A run that has done 12 steps, its best at step 8."""
    run = RunFolder(folder)
    run.begin(SETTINGS)
    for step in (8, 12):
        run.save_state(state(step))
    for step in range(1, 13):
        run.metrics_log.write({"step": step, "loss": 1.0})
    run.metrics_log.close()
    run.save("best", set_of(8))
    run.save("last", set_of(12))
    run.save_results({"rows": {}, "epochs": 3})
    keep_beside(run, small_dataset(side=32))
    run.grids.mkdir()
    Image.new("L", (9, 9)).save(run.grids / "last.png")


def make_table(folder):
    for seed in range(2):
        score = ([0.5, 0.6], [[5], [6]], [10], [])
        result = CellResult(*score, 0.01, 1.0, 1.0, None, 3, "here")._asdict()
        path = folder / "cells" / "short" / f"dm-ipc1-seed{seed}.json"
        write_json(path, {"of": {"seed": seed}, "result": result})


def make_set(folder):
    save_distilled(folder / "a.npz", small_set())


MAKERS = {"store": make_store, "run": make_run, "table": make_table, "set": make_set}


@pytest.fixture
def folder(tmp_path):
    """With one thing of each kind."""
    for name, make in MAKERS.items():
        make(tmp_path / name)
    return tmp_path


def checked(path):
    lines = []
    return check_path(path, lines.append), lines


def only_fault(path):
    (fault,) = checked(path)[0].faults
    return fault


def spoil(path):
    """Flips a bit in the middle; a CRC or checksum is wrong then."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_what_is_whole_has_no_fault(folder):
    for name, said, files in (
        ("store", "store of 2 experts with 2 epochs", 9),
        ("run", "run of 2 sets, 12 steps done", 9),
        ("table", "table of 2 cells", 2),
        ("set/a.npz", "set of 1 images per class of bright", 1),
    ):
        findings, lines = checked(folder / name)
        assert lines == [f"{folder / name}: {said}"]
        assert (findings.faults, findings.notes, findings.removable) == ([], [], [])
        assert findings.checked == files
    findings, lines = checked(folder)
    assert [line.split(": ")[1].split()[0] for line in lines] == ["run", "set", "store", "table"]
    assert (findings.faults, findings.checked) == ([], 21)


def test_what_a_killed_process_left_is_a_note(folder):
    (folder / "run" / ".state.npz.abc.tmp").touch()
    findings, _ = checked(folder)
    assert findings.faults == []
    assert ".state.npz.abc.tmp: left by a process" in findings.notes[0]


# --- damaged, lost, or of something else -----------------------------------------------------


DAMAGED = (
    *("store/0001/002.npz", "store/preprocessing.npz"),
    *("store/manifest.before.json", "run/config.json", "run/state.npz"),
    *("run/state.before.npz", "run/last.npz", "run/best.npz", "run/results.json"),
    "run/beside.npz",
    *("run/grids/last.png", "table/cells/short/dm-ipc1-seed0.json", "set/a.npz"),
)
LOST = ("store/0001/001.npz", "run/config.json", "run/last.npz", "run/best.npz")


@pytest.mark.parametrize(
    ("change", "name"),
    [*((spoil, name) for name in DAMAGED), *((Path.unlink, name) for name in LOST)],
)
def test_a_damaged_or_lost_file_is_named_once(change, name, folder):
    change(folder / name)
    fault = only_fault(folder)
    assert fault.startswith(f"{folder / name}: ")
    assert fault.count(name) == 1


def swap(folder):
    os.replace(folder / "store/0001/002.npz", folder / "store/0000/002.npz")
    (folder / "store/0001/002.npz").write_bytes((folder / "store/0000/002.npz").read_bytes())


def of_another_store(folder):
    make_store(folder / "other", seed=1)
    os.replace(folder / "other/manifest.json", folder / "store/manifest.json")
    shutil.rmtree(folder / "other")


def not_finite(folder):
    store = ExpertStore(folder / "store")
    store.save(1, 2, {"w": np.float32([1, np.nan, 1])}, record={})


def cut_off_metrics(folder):
    (folder / "run/metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')


def state_of_another_run(folder):
    arrays = read_arrays(folder / "run/state.before.npz")
    arrays["settings"] = np.array(json.dumps(SETTINGS | {"seed": 3}))
    write_arrays(folder / "run/state.before.npz", arrays)


def settings_of_another_run(folder):
    write_json(folder / "run/config.json", SETTINGS | {"seed": 3})


def replaced(kind, distilled):
    return lambda folder: RunFolder(folder / "run").save(kind, distilled)


OTHER_IMAGES = small_set(settings=SETTINGS | {"step": 12})


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        (swap, "store/0000/002.npz", "its arrays have the checksum"),
        (of_another_store, "store/manifest.json", "none of the snapshots is what it says"),
        (not_finite, "store/0001/002.npz", "it holds numbers that are not finite"),
        (cut_off_metrics, "run/metrics.jsonl", "line 2"),
        (state_of_another_run, "run/state.before.npz", "another run than config.json: seed was 3"),
        (settings_of_another_run, "run/config.json", "of another run: seed was 0, is 3"),
        (replaced("last", set_of(8)), "run/last.npz", "it is of step 8, the run is at 12"),
        (replaced("best", set_of(12)), "run/best.npz", "it is of step 12, the best was step 8"),
        (replaced("last", set_of(12, seed=1)), "run/last.npz", "than config.json: seed was 1, is"),
        (replaced("last", OTHER_IMAGES), "run/last.npz", "not those of step 12"),
    ],
)
def test_what_does_not_belong_there_is_named(change, name, message, folder):
    change(folder)
    fault = only_fault(folder)
    assert fault.startswith(f"{folder / name}: ")
    assert message in fault


def test_a_damaged_or_lost_manifest_is_named_and_the_one_before_it_used(folder):
    path = folder / "store/manifest.json"
    whole = path.read_bytes()
    for damage in (spoil, lambda p: p.unlink()):
        damage(path)
        assert only_fault(folder).startswith(f"{path}: passed over: {path}: ")
        assert "0001/002.npz: the manifest does not know it" in checked(folder)[0].notes[-1]
        path.write_bytes(whole)
    for name in ("manifest.json", "manifest.before.json"):
        spoil(folder / "store" / name)
    findings, _ = checked(folder)
    assert "Put back a copy of it" in findings.faults[0]
    assert findings.removable == []


def test_without_any_whole_state_it_says_what_that_means(folder):
    for name in ("state.npz", "state.before.npz"):
        spoil(folder / "run" / name)
    assert "no state is whole: with them removed the run begins" in checked(folder)[0].faults[-1]


def later_sets(folder):
    for kind in ("last", "best"):
        replaced(kind, set_of(14))(folder)


def longer(folder):
    write_json(folder / "run/config.json", SETTINGS | {"distill": {"steps": 99, "lr_img": 30}})


@pytest.mark.parametrize("change", [later_sets, longer])
def test_what_a_kill_leaves_and_what_may_change_is_no_fault(change, folder):
    change(folder)
    assert checked(folder)[0].faults == []


# --- the command -----------------------------------------------------------------------------


def test_the_command_names_faults_and_touches_nothing(folder, mttjax):
    spoil(folder / "store/0000/000.npz")
    (folder / "run/best.npz").unlink()
    (folder / "store/0007").mkdir()
    write_arrays(folder / "store/0007/000.npz", {})
    before = sorted(folder.rglob("*"))
    status, out, _ = mttjax("check", folder)
    lines = out.splitlines()
    assert status == 1
    assert [line.split(": ")[0] for line in lines[4:7]] == ["note", "FAULT", "FAULT"]
    assert lines[-1].endswith("files checked, 2 faults")
    assert sorted(folder.rglob("*")) == before


def test_only_what_is_made_again_is_removed(folder, mttjax):
    again = [
        *("store/0001/001.npz", "store/0000/002.npz", "run/state.npz"),
        *("run/grids/last.png", "table/cells/short/dm-ipc1-seed1.json"),
    ]
    stays = ["store/preprocessing.npz", "run/best.npz", "run/last.npz", "run/config.json"]
    for name in (*again, *stays):
        spoil(folder / name)
    before = {path for path in folder.rglob("*") if path.is_file()}
    for removed in (set(again), set()):
        status, out, _ = mttjax("check", folder, "--remove")
        assert status == 1
        said = {line for line in out.splitlines() if line.startswith("removed")}
        assert said == {f"removed: {folder / name}" for name in removed}
    gone = {folder / name for name in again}
    assert {path for path in folder.rglob("*") if path.is_file()} == before - gone


def test_a_system_error_is_a_fault_of_its_file(tmp_path):
    findings = Findings()
    with findings.of(tmp_path / "a", "Do this"):
        raise PermissionError(13, "Permission denied")
    assert findings.faults == [f"{tmp_path}/a: [Errno 13] Permission denied. Do this"]


@pytest.mark.parametrize("name", ["forgetting", "full_data"])
def test_networks_in_training_are_no_sets(name, tmp_path):
    make_set(tmp_path / "set")
    (tmp_path / name / "0a").mkdir(parents=True)
    write_arrays(tmp_path / name / "0a" / "network-0.npz", {"w": np.zeros(3)})
    assert not check_path(tmp_path, log=lambda line: None).faults
