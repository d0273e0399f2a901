"""The user's own ``.npz``."""

import pickle

import numpy as np
import pytest

from mttjax.datasets import arrays
from mttjax.datasets.loading import load_dataset
from mttjax.system.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (12, 5, 6, 3), np.uint8)
Y = np.arange(12) % 3
GOOD = {"x_train": X, "y_train": Y, "x_test": X[:6], "y_test": Y[:6]}


def load(tmp_path, validation=0, **arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return load_dataset("arrays", folder=path, validation=validation)


def test_arrays_come_back_as_they_are(tmp_path):
    mine = load(tmp_path, **GOOD)
    assert (mine.name, mine.class_names) == ("mine", ("0", "1", "2"))
    assert mine.image_shape == (5, 6, 3)
    np.testing.assert_array_equal(mine.train.images, X)
    np.testing.assert_array_equal(mine.test.labels, Y[:6])
    assert mine.test.labels.dtype == np.int32


def test_other_names_grey_images_and_class_names(tmp_path):
    names, grey = np.array(["cat", "dog", "owl"]), X[..., 0]
    test = {"test_images": grey[:3], "test_labels": Y[:3]}
    mine = load(tmp_path, images=grey, labels=Y.astype(np.uint8), class_names=names, **test)
    assert mine.image_shape == (5, 6, 1)
    assert mine.class_names == ("cat", "dog", "owl")


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_any_number_of_channels_is_read(tmp_path, channels):
    images = RNG.integers(0, 256, (12, 6, 6, channels), np.uint8)
    mine = load(tmp_path, **GOOD | {"x_train": images, "x_test": images[:6]})
    np.testing.assert_array_equal(mine.train.images, images)


@pytest.mark.parametrize(("largest", "bits"), [(200, 8), (4000, 12), (65535, 16)])
def test_uint16_is_scaled_by_the_bits_that_are_used(tmp_path, largest, bits):
    images = RNG.integers(0, largest, (12, 5, 6), np.uint16, endpoint=True)
    images[0, 0, 0] = largest
    mine = load(tmp_path, **GOOD | {"x_train": images, "x_test": images[:6].astype(">u2")})
    expected = np.rint(images * (255 / (2**bits - 1)))
    np.testing.assert_array_equal(mine.train.images[..., 0], expected)
    np.testing.assert_array_equal(mine.test.images[..., 0], expected[:6])
    assert f"uint16, {bits} bits of it used, scaled to 8" in mine.describe()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_test": None}, "has no y_test; it has x_train, y_train, x_test"),
        ({"x_train": X / 255}, r"training images: the images are float64.*multiply by 255"),
        ({"x_train": X * 1.0}, r"lie in \[0, 255\]: scale to 0..255, round and cast"),
        ({"x_train": np.full(X.shape, np.nan)}, "NaN"),
        ({"x_train": X.astype(np.int64)}, "are int64, expected uint8"),
        ({"x_train": X.transpose(0, 3, 1, 2)}, r"\(12, 3, 5, 6\).*use x.transpose\(0, 2, 3, 1\)"),
        ({"x_train": X.reshape(12, -1)}, r"shape \(12, 90\); expected \[n, height"),
        ({"x_train": np.zeros((12, 5, 6, 33), np.uint8)}, "with up to 32 channels"),
        ({"x_train": np.zeros((12, 4, 9, 9), np.uint8)}, r"if the channels come first here, use"),
        ({"x_train": X.astype(np.uint16)}, "are uint16, expected uint8"),  # the others are not
        ({"x_test": X[:0], "y_test": Y[:0]}, "at least one image"),
        ({"x_test": X[:6, :4]}, r"training images are \(5, 6, 3\), test images \(4, 6, 3\)"),
        ({"y_train": Y[:11]}, "12 images but 11 labels"),
        ({"y_train": Y.astype(float)}, "holds float64, expected integer labels: number"),
        ({"y_train": np.where(Y == 0, np.nan, Y)}, "some are NaN"),
        ({"y_train": np.eye(3, dtype=int)[Y]}, r"shape \(12, 3\).*use y.argmax\(-1\) for one-hot"),
        ({"y_train": Y.reshape(4, 3)}, r"shape \(4, 3\), expected \[n\]: one class number an im"),
        ({"x_val": X[:2]}, "has no y_val; it has x_train, y_train, x_test, y_test, x_val"),
        ({"x_val": X[:2, :4], "y_val": Y[:2]}, r"validation images \(4, 6, 3\); they must agree"),
        ({"class_names": np.array(["caf\u00e9", "cafe\u0301", "x"])}, "two forms of Unicode"),
        ({"y_train": Y - 1}, "labels from -1 to 1"),
        ({"y_train": Y + 1}, "class 0 is empty"),
        ({"y_train": Y + 2**40}, "labels from 1099511627776"),
        ({"y_test": Y[:6] + 1}, "labels from 1 to 3, expected 0 to 2"),
        ({"y_train": 0 * Y, "y_test": 0 * Y[:6]}, "has 1 class"),
        ({"class_names": np.array(["a", "b"])}, "labels from 0 to 2, expected 0 to 1"),
        ({"class_names": np.array(list("abcd"))}, "no training image of 1 of the 4.*'d'"),
        ({"class_names": np.arange(3)}, "class_names is int64"),
    ],
)
def test_faults_are_named(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, **{**GOOD, **changed})


def test_labels_of_several_classes_are_refused_without_advice_that_makes_other_labels(tmp_path):
    several = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]])[Y]
    with pytest.raises(InputError, match="of several classes or of none") as caught:
        load(tmp_path, **GOOD | {"y_train": several})
    assert "argmax" not in str(caught.value)


def test_medmnists_six_arrays_are_read_as_they_are(tmp_path):
    parts = {"train": slice(0, 6), "val": slice(6, 9), "test": slice(9, 12)}
    arrays = {f"{part}_images": X[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": Y[rows, None].astype(np.uint8) for part, rows in parts.items()}
    mine = load(tmp_path, validation=0.5, **arrays)
    np.testing.assert_array_equal(mine.train.images, X[:6])
    np.testing.assert_array_equal(mine.validation.images, X[6:9])
    np.testing.assert_array_equal(mine.test.labels, Y[9:])
    assert "6 training, 3 validation (val_images), 3 test images" in mine.describe()


def test_a_validation_split_of_its_own_is_used_and_takes_part_in_choosing_classes(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **GOOD, x_val=X[6:], y_val=Y[6:])
    mine = load_dataset("arrays", folder=path, classes=("2", "0"), validation=0.5)
    np.testing.assert_array_equal(mine.validation.images, X[6:][Y[6:] != 1])
    assert mine.validation.labels.tolist() == [1, 0, 1, 0]
    assert len(mine.train.labels) == 8


def test_arrays_under_other_names_are_named(tmp_path):
    with pytest.raises(InputError, match=r"it has X, y\. Expected x_train, .*train_images"):
        load(tmp_path, X=X, y=Y)


@pytest.mark.parametrize("damage", [lambda b: b[:-200], lambda b: b"", lambda b: pickle.dumps(1)])
def test_a_damaged_file_and_one_of_another_kind_are_named(tmp_path, damage):
    load(tmp_path, **GOOD)
    path = tmp_path / "mine.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"cannot read .*mine.npz.*Expected an .npz of plain"):
        load_dataset("arrays", folder=path)


def test_what_nobody_asked_for_is_not_read_and_the_rest_is_bounded(tmp_path, monkeypatch):
    load(tmp_path, **GOOD, other=np.array([{}]))
    monkeypatch.setattr(arrays, "MOST_BYTES", 2**10)
    with pytest.raises(InputError, match=r"cannot read .*unpacks to \d+ bytes, more than 1024"):
        load(tmp_path, **GOOD)


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "\x7f"])
def test_names_that_a_terminal_would_obey_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="control characters") as caught:
        load(tmp_path, **GOOD, class_names=np.array(["a", "b", name]))
    assert str(caught.value).isprintable()


def test_arrays_that_are_not_read_are_named(tmp_path):
    x, y = np.zeros((6, 8, 8), np.uint8), np.int32([0, 1] * 3)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x, y_test=y, x_valid=x, more=y)
    loaded = load_dataset("arrays", folder=tmp_path / "mine.npz", validation=0)
    assert loaded.describe().endswith("not read: x_valid, more")
