"""What TensorBoard and Weights & Biases are told of a run, and when their packages are missing."""

import dataclasses
import struct
import sys

import numpy as np
import pytest

from mttjax.config import Protocol
from mttjax.config.presets import load_preset
from mttjax.config.settings import Run
from mttjax.reporting import trackers
from mttjax.reporting.grids import grid_of
from mttjax.runs.workflows import distill
from mttjax.system.errors import InputError


def settings(folder, *, steps=4, log=("tensorboard",)):
    """DM on digits, evaluated every two steps."""
    preset = load_preset("digits").settings(1, "dm")
    how = {"steps": steps, "evaluate_every": 2, "real_batch": 8}
    few = Protocol(networks=1, epochs=2)
    plan = dataclasses.replace(preset.distill, **how, validation=few)
    return dataclasses.replace(preset, distill=plan, run=Run(folder=str(folder)), log=log)


class Heard(list):
    """A tracker that is a list of what it was told."""

    def __init__(self, folder, name, settings):
        self.append(("made", folder, name, settings["method"]))

    def begin(self, step):
        self.append(("begin", step))

    def numbers(self, step, values):
        self.append(("numbers", step, values))

    def images(self, step, grid, pixels):
        self.append(("images", step, grid, pixels))

    def flush(self):
        self.append(("flush",))

    def close(self):
        self.append(("close",))


@pytest.fixture
def heard(monkeypatch):
    """The trackers of the runs so far, in the place of TensorBoard."""
    made = []
    make = lambda *how: made.append(Heard(*how)) or made[-1]
    monkeypatch.setitem(trackers.TRACKERS, "tensorboard", make)
    return made


def test_a_tracker_hears_of_all_steps_evaluations_and_images(tmp_path, heard):
    run = distill(settings(tmp_path / "run"))
    (told,) = heard
    assert told[:2] == [("made", run.path, "run", "dm"), ("begin", -1)]
    assert told[-1] == ("close",)
    lines = [t for t in told if t[0] == "numbers"]
    assert [step for _, step, _ in lines] == [r["step"] for r in run.metrics()]
    assert lines[0][2].keys() == {"accuracy/validation", "accuracy/validation_std"}
    assert {"loss", "seconds", "skipped"} <= lines[1][2].keys()
    assert [t[1] for t in told if t[0] == "images"] == [0, 2, 4]
    *_, grid, pixels = next(t for t in reversed(told) if t[0] == "images")
    last = run.load("last")
    np.testing.assert_array_equal(grid, grid_of(last))
    assert (grid.dtype, grid.shape[2]) == (np.uint8, 3)
    np.testing.assert_array_equal(np.rint(255 * np.clip(pixels, 0, 1)), last.pixels())


def test_a_run_that_goes_on_says_from_where_and_is_the_same_run(tmp_path, heard):
    distill(settings(tmp_path / "run", steps=2))
    distill(settings(tmp_path / "run", log=()))
    distill(settings(tmp_path / "run", steps=6))
    assert [told[1] for told in heard] == [("begin", -1), ("begin", 4)]
    assert [t[1] for t in heard[1] if t[0] == "numbers"] == [5, 6, 6]


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboardX"), ("wandb", "wandb")])
def test_a_package_that_is_missing_is_said_before_anything_is_written(
    tmp_path, monkeypatch, name, package
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"log is {name}: .*pip install {package}"):
        distill(settings(tmp_path / "run", log=(name,)))
    assert not (tmp_path / "run").exists()


# --- the packages themselves, where they are installed -------------------------------------------


def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboardX")
    run = distill(settings(tmp_path / "run"))
    run = distill(settings(tmp_path / "run", steps=6))
    first, second = sorted((run.path / "tensorboard").iterdir())
    tags = [[v.tag for e in events(path) for v in e.summary.value] for path in (first, second)]
    assert tags[0].count("loss") == 4
    assert tags[1].count("loss") == 2
    assert tags[0].count("images") == tags[0].count("pixels") == 3
    assert tags[1].count("accuracy/validation") == 1
    assert {e.step for e in events(second) if e.HasField("session_log")} == {5}


def events(path):
    """The events of a file of TensorBoard's: length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = path.read_bytes(), 0
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + size])
        at += 16 + size


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_keeps_a_run_on_disk(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb = pytest.importorskip("wandb")
    run = distill(settings(tmp_path / "run", log=("wandb",)))
    wandb.teardown()  # its own process has written all
    (folder,) = (run.path / "wandb").glob("offline-run-*")
    (kept,) = folder.glob("*.wandb")
    assert all(name in kept.read_bytes() for name in (b"loss", b"accuracy/validation"))
    assert len(list(folder.glob("files/media/images/images_*.png"))) == 3
    assert wandb.run is None
