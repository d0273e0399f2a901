"""``mttjax convert`` as a user types it: in, out, and what it asks for."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from small import small_set

from mttjax.core.preprocessing import fit_preprocessing
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import load_distilled, save_distilled
from mttjax.experts.store import ExpertStore
from mttjax.system.torch_writing import write_torch

FILES = Path(__file__).resolve().parents[1] / "torch_files"
SAID = ("--config", "tiny.py", "--preprocessing", "standardize", "--ops", "cutout")
NETWORK = ("--network", "convnet-d1-w4")
IMAGES, LABELS = str(FILES / "images_best.pt"), ("--labels", str(FILES / "labels_best.pt"))
TO = ("--to", "set.npz")


def digits_set(folder, soft=False):
    """A set of digits and its files of MTT's layout, as DATM has it where labels are soft."""
    images = np.float32(np.random.default_rng(0).standard_normal((20, 8, 8, 1)))
    labels = np.repeat(np.eye(10, dtype=np.float32), 2, axis=0)
    labels = labels * np.float32(0.5) + np.float32(0.05) if soft else labels
    train = load_dataset("digits", validation=0).train.images
    made = small_set(
        images=images,
        labels=labels,
        dataset="digits",
        class_names=tuple("0123456789"),
        preprocessing=fit_preprocessing("standardize", train),
    )
    save_distilled(folder / "made.npz", made)
    return made


@pytest.mark.parametrize(("layout", "soft"), [("mtt", False), ("datm", True)])
def test_a_set_goes_out_and_comes_in_again(layout, soft, place, mttjax):
    made = digits_set(place, soft)
    status, out, _ = mttjax("convert", "export-set", "made.npz", "--layout", layout, "--to", "out")
    assert status == 0
    assert "rate 0.05, images by standardize, augmentation cutout" in out
    files = ("out/images_best.pt", "--labels", "out/labels_best.pt", "--lr", "out/lr_best.pt")
    status, out, err = mttjax("convert", "import-set", *files, *SAID, *NETWORK, *TO)
    assert (status, err) == (0, "")
    assert "evaluate it:   mttjax evaluate set set.npz" in out
    read = load_distilled("set.npz")
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_allclose(read.labels, made.labels, atol=1e-7)
    assert read.lr == np.float32(0.05)
    assert (read.ops, read.network) == (made.ops, made.network)
    np.testing.assert_array_equal(read.preprocessing.mean, made.preprocessing.mean)
    assert set(read.settings["source"]) == {"images_best.pt", "labels_best.pt"}
    protocol = ("--protocol.networks", "1", "--protocol.epochs", "2")
    status, _, err = mttjax("evaluate", "set", "set.npz", "--no-random", *protocol)
    assert (status, err) == (0, "")


def test_images_in_pixels_are_normalised(place, mttjax):
    made = digits_set(place)
    mttjax("convert", "export-set", "made.npz", "--layout", "idc", "--to", "out")
    how = ("--lr", "0.05", "--factor", "1", *SAID, *NETWORK, *TO)
    status, out, _ = mttjax("convert", "import-set", "out/data.pt", *how)
    assert status == 0
    assert "normalised images: mean" in out
    np.testing.assert_allclose(load_distilled("set.npz").images, made.images, atol=1e-5)


def test_what_the_files_do_not_say_is_asked_for(place, mttjax, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    given = ["--lr", "0.05", *SAID, *NETWORK, *TO]
    for option in ("--lr", "--config", "--preprocessing", "--ops", "--network"):
        start = given.index(option)
        left = given[:start] + given[start + 2 :]
        status, _, err = mttjax("convert", "import-set", IMAGES, *LABELS, *left)
        assert status == 2
        assert option in err
    assert not Path("set.npz").exists()


def test_a_wrong_file_is_answered_in_a_line(place, mttjax):
    how = ("--lr", "0.05", *SAID, *NETWORK)
    write_torch("ten.pt", np.arange(10))
    for words, message in {
        (IMAGES, *LABELS, *how, "--to", "set"): "--to set: give the name of an .npz",
        (IMAGES, *how, *TO): "images alone; give their labels",
        (IMAGES, "--labels", "ten.pt", *how, *TO): "6 images, and 10 labels",
        (IMAGES, "--labels", "tiny.py", *how, *TO): "tiny.py: not a whole file of torch.save's",
        ("none.pt", *LABELS, *how, *TO): "none.pt: no such file",
        (IMAGES, *LABELS, "--lr", "0.05", *SAID, "--network", "vit", *TO): "no such network",
    }.items():
        status, _, err = mttjax("convert", "import-set", *words)
        assert status == 2
        assert message in err
        assert err.startswith("convert: ")
        assert err.count("\n") == 1


def test_experts_go_out_and_come_in_and_are_distilled_from(place, mttjax):
    every = ("--config", "tiny.py", "--data.validation", "0")
    mttjax("train_experts", *every, "--experts.epochs", "2", "--experts.folder", "store")
    trained = ExpertStore("store")
    status, out, _ = mttjax("convert", "export-experts", "store", "--to", "out")
    assert (status, out) == (0, "out/replay_buffer_0.pt: 2 experts\n")
    how = (*SAID, *NETWORK, "--lr", "0.01", "--batch", "128", "--check", "--to", "imported")
    status, out, err = mttjax("convert", "import-experts", "out/replay_buffer_0.pt", *how)
    assert (status, err) == (0, "")
    for number, accuracies in enumerate(trained.accuracies()):
        assert f"expert {number}: test accuracy {100 * accuracies[2]:.2f} % at its end" in out
    assert mttjax("check", "imported")[0] == 0
    command = out.splitlines()[-1].partition("mttjax ")[2]
    status, out, err = mttjax(*shlex.split(command), "--run.folder", "run")
    assert (status, err) == (0, "")
    assert load_distilled("run/last.npz").settings["step"] == 4


def test_experts_of_another_recipe_are_refused(place, mttjax):
    buffer = str(FILES / "replay_buffer_0.pt")
    how = (*SAID, *NETWORK, "--lr", "0.01", "--to", "imported")
    status, _, err = mttjax("convert", "import-experts", buffer, *how)
    assert status == 2
    assert "a convnet of depth 1 and width 2?" in err
    assert not Path("imported").exists()
