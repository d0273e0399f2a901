"""``load_dataset``: settings, the digits, choosing classes, the validation split."""

import dataclasses
import doctest
import zlib

import numpy as np
import pytest

from mttjax.datasets import dataset as dataset_module
from mttjax.datasets.catalogue import CATALOGUE, CIFAR100_COARSE, IMAGENET_SUBSETS
from mttjax.datasets.dataset import Dataset, Split, split_off
from mttjax.datasets.loading import load_dataset
from mttjax.system.errors import InputError


def shares(part, whole):
    """Of each class of ``whole``, the share that is in ``part``."""
    return np.bincount(part.labels) / np.bincount(whole.labels)


def test_digits_have_no_folder(tmp_path):
    """Whoever gives one means other images."""
    with pytest.raises(InputError, match=r"leave data.dir out, or give what is there as data.data"):
        load_dataset("digits", folder=tmp_path)


def test_digits_are_uint8_and_complete_and_their_test_set_is_stratified():
    digits = load_dataset("digits", validation=0)
    assert (digits.image_shape, digits.n_classes, digits.name) == ((8, 8, 1), 10, "digits")
    assert len(digits.train.labels) + len(digits.test.labels) == 1797
    assert digits.train.images.dtype == np.uint8
    assert digits.train.labels.dtype == digits.test.labels.dtype == np.int32
    assert (digits.train.images.min(), digits.train.images.max()) == (0, 255)
    assert digits.validation.images.shape == (0, 8, 8, 1)
    np.testing.assert_allclose(shares(digits.test, digits.train), 1 / 3, atol=0.017)


def test_validation_is_seeded_stratified_and_out_of_training():
    whole = load_dataset("digits", validation=0)
    first, again, other = (load_dataset("digits", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.test.images, other.test.images)
    np.testing.assert_array_equal(first.validation.images, again.validation.images)
    assert not np.array_equal(first.validation.labels, other.validation.labels)
    np.testing.assert_allclose(shares(first.validation, whole.train), 0.1, atol=0.01)
    together = np.concatenate([first.train.images, first.validation.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, whole.train.images))


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_a_small_class_keeps_an_image_and_gives_one_when_it_has_two(size):
    labels = np.repeat(np.arange(3, dtype=np.int32), size)
    kept, held = split_off(labels, 0.1, np.random.default_rng(0))
    assert np.bincount(labels[kept], minlength=3).min() >= 1
    assert len(held) == (3 if size > 1 else 0)
    np.testing.assert_array_equal(np.sort(np.concatenate([kept, held])), np.arange(3 * size))


def test_classes_are_kept_and_renumbered_in_the_given_order():
    whole = load_dataset("digits", validation=0)
    some = load_dataset("digits", classes=(7, 0), validation=0)
    assert some.class_names == ("7", "0")
    for new, old in enumerate((7, 0)):
        for kept, split in ((some.train, whole.train), (some.test, whole.test)):
            expected = split.images[split.labels == old]
            np.testing.assert_array_equal(kept.images[kept.labels == new], expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "cifar_10"}, r"unknown dataset 'cifar_10'; did you mean 'cifar10'\? There are"),
        ({"validation": 0.6}, "validation is 0.6: must be a fraction from 0 to 0.5"),
        ({"validation": float("nan")}, "validation is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"resolution": 3}, "resolution is 3: must be a whole number from 4 to 1024"),
        ({"resolution": 32.0}, "resolution is 32.0"),
        ({"resolution": 32}, "digits has images of 8x8 and is not resized"),
        ({"classes": (3,)}, r"digits has 1 class \(3\), expected 2 or more"),
        ({"classes": (1, 1)}, "names a class twice"),
        ({"classes": (1, 10)}, "classes has 10, but the indices go from 0 to 9"),
        ({"classes": (0, -1)}, "classes has -1"),
        ({"classes": (0, 1.0)}, "expected names of classes, or ind"),
        ({"classes": "01"}, "expected names of classes, or ind"),
        ({"classes": 5}, "classes is 5, expected names"),
        ({"classes": [True, False]}, "expected names of classes, or ind"),
        ({"validation": "x"}, "validation is 'x'"),
        ({"seed": True}, "seed is True"),
        ({"name": ["digits"]}, "unknown dataset .*There are digits"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_dataset(**{"name": "digits", **settings})


def test_a_dataset_of_arrays_is_known_by_its_training_images_and_labels():
    images, labels = np.zeros((10, 8, 7, 1), np.uint8), np.arange(10, dtype=np.int32) % 2

    def made(images=images, labels=labels):
        train, validation, test = (
            Split(images[rows], labels[rows]) for rows in (slice(6), slice(6, 8), slice(8, 10))
        )
        return Dataset("mine", ("cat", "dog"), train, validation, test)

    mine = made()
    assert doctest.testmod(dataset_module) == (0, 2)
    assert mine.checksum == f"{zlib.crc32(images[:6].tobytes() + labels[:6].tobytes()):08x}"
    assert mine.checksum == made(images[:, ::-1], labels).checksum
    assert made(images + np.uint8(1)).checksum != mine.checksum
    assert made(labels=labels[::-1].copy()).checksum != mine.checksum
    assert dataclasses.replace(mine, test=mine.validation).checksum == mine.checksum
    wrong = [(images / 255, labels), (images, labels.astype(int)), (images, labels[1:])]
    for split in wrong:
        with pytest.raises(ValueError, match=r"train is .*expected uint8 \[n, H, W, C\]"):
            Dataset("mine", ("cat", "dog"), Split(*split), mine.validation, mine.test)


@pytest.mark.parametrize("name", ["tiny_imagenet", "image_folder", "arrays"])
def test_a_missing_or_wrong_place_is_named(name, tmp_path):
    with pytest.raises(InputError, match=f"{name} needs a f"):
        load_dataset(name, resolution=32)
    with pytest.raises(InputError, match="does not exist"):
        load_dataset(name, folder=tmp_path / "nowhere", resolution=32)
    (tmp_path / "file").touch()
    wrong = tmp_path if name == "arrays" else tmp_path / "file"
    with pytest.raises(InputError, match=f"{wrong} is not a f"):
        load_dataset(name, folder=wrong, resolution=32)


def test_tables_of_classes():
    assert len(IMAGENET_SUBSETS) == 6
    assert all(len(set(v)) == 10 and max(v) < 1000 for v in IMAGENET_SUBSETS.values())
    names = {name: entry.class_names for name, entry in CATALOGUE.items()}
    assert [len(set(names[n])) for n in names] == [10, 10, 10, 100, 10]
    assert names["fashion_mnist"][8:] == ("Bag", "Ankle boot")
    assert names["cifar10"][1] == "automobile"
    # The archive's own order: alphabetical, 20 superclasses of five.
    assert names["cifar100"][:3] == ("apple", "aquarium_fish", "baby")
    assert names["cifar100"][-2:] == ("woman", "worm")
    assert CIFAR100_COARSE[:10] == (4, 1, 14, 8, 0, 6, 7, 7, 18, 3)
    assert np.bincount(CIFAR100_COARSE).tolist() == [5] * 20
