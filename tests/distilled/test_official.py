"""The published code's files of sets: what they hold, and what they do not."""

from pathlib import Path

import numpy as np
import pytest

from mttjax.distilled.official import class_major, read_published, read_rate
from mttjax.system.errors import InputError
from mttjax.system.torch_reading import open_torch
from mttjax.system.torch_writing import write_torch

FILES = Path(__file__).resolve().parents[1] / "torch_files"
IMAGES, LABELS = FILES / "images_best.pt", FILES / "labels_best.pt"
NCHW = np.arange(6 * 64, dtype=np.float32).reshape(6, 1, 8, 8) / 192 - 1
HARD = np.repeat(np.eye(3), 2, axis=0)


def tensor(name):
    with open_torch(FILES / name) as held:
        return held.read()


def test_images_and_classes():
    read = read_published(IMAGES, LABELS, classes=3)
    np.testing.assert_allclose(read.images, NCHW.transpose(0, 2, 3, 1), rtol=1e-6)
    np.testing.assert_array_equal(read.labels, HARD)
    assert read.images.dtype == read.labels.dtype == np.float32
    assert not read.in_pixels


def test_logits_and_probabilities_are_one_and_are_told_apart(capsys):
    logits = read_published(IMAGES, FILES / "logits_best.pt", classes=3).labels
    assert "labels are logits" in capsys.readouterr().out
    probabilities = read_published(IMAGES, FILES / "probabilities_best.pt", classes=3).labels
    assert "labels are probabilities" in capsys.readouterr().out
    np.testing.assert_allclose(logits, probabilities, rtol=1e-6)
    np.testing.assert_array_equal(probabilities, tensor("probabilities_best.pt"))


@pytest.mark.parametrize(("experiment", "shift"), [(None, 1), (0, 0), (1, 1)])
def test_an_experiment_of_dc(experiment, shift):
    path = FILES / "res_DM_bright_ConvNet_2ipc.pt"
    read = read_published(path, classes=3, experiment=experiment)
    np.testing.assert_allclose(read.images, NCHW.transpose(0, 2, 3, 1) + shift, rtol=1e-6)
    np.testing.assert_array_equal(read.labels, HARD)
    with pytest.raises(InputError, match="experiment 2 is not there, 0 to 1"):
        read_published(path, classes=3, experiment=2)


def test_the_images_of_idc_are_cut_out_as_its_code_does():
    read = read_published(FILES / "data.pt", classes=3, factor=2)
    assert read.in_pixels
    expected = tensor("data_decoded.pt").transpose(0, 2, 3, 1)
    labels = np.tile(np.eye(3), (4, 1))
    expected, labels = class_major(expected, labels)
    np.testing.assert_allclose(read.images, expected, atol=1e-6)
    np.testing.assert_array_equal(read.labels, labels)
    whole = read_published(FILES / "data.pt", classes=3, factor=1)
    assert whole.images.shape == (3, 8, 8, 1)
    with pytest.raises(InputError, match="give the factor"):
        read_published(FILES / "data.pt", classes=3)
    uneven = read_published(FILES / "data.pt", classes=3, factor=3)
    assert uneven.images.shape == (27, 8, 8, 1)


def test_rates():
    assert read_rate("0.02") == 0.02
    assert read_rate(str(FILES / "lr_best.pt")) == np.float32(0.02)
    for wrong in ("-1", "nan", str(IMAGES)):
        with pytest.raises(InputError, match="rate"):
            read_rate(wrong)
    with pytest.raises(InputError, match="no such file"):
        read_rate("fast")


def test_what_is_missing_or_wrong_is_said(tmp_path):
    wrong = {
        "give their labels": (IMAGES, None, {}),
        "it has labels of its own": (FILES / "data.pt", LABELS, {"factor": 1}),
        "which alone has a factor": (IMAGES, LABELS, {"factor": 2}),
        "classes 0 to 2, the data set has 2": (IMAGES, LABELS, {"classes": 2}),
        r"\[N, 4\] floating": (IMAGES, FILES / "logits_best.pt", {"classes": 4}),
        r"images are \[N, C, H, W\], found \[6\]": (LABELS, LABELS, {}),
        "mttjax convert import-experts": (FILES / "replay_buffer_0.pt", None, {}),
        "6 images, and 3 labels": (IMAGES, tmp_path / "three.pt", {}),
        "its images are not finite": (tmp_path / "nan.pt", LABELS, {}),
        "labels are one tensor": (IMAGES, FILES / "data.pt", {}),
    }
    write_torch(tmp_path / "three.pt", np.arange(3))
    write_torch(tmp_path / "nan.pt", np.full((6, 1, 8, 8), np.nan, np.float32))
    for message, (images, labels, how) in wrong.items():
        with pytest.raises(InputError, match=message):
            read_published(images, labels, **{"classes": 3} | how)


def test_images_that_look_like_pixels_are_told(tmp_path):
    write_torch(tmp_path / "a.pt", np.full((6, 1, 8, 8), 0.5, np.float32))
    told = []
    read_published(tmp_path / "a.pt", LABELS, classes=3, log=told.append)
    assert ["not normalised" in line for line in told] == [True]
