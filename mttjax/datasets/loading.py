"""``load_dataset``: one call for every kind of source."""

import difflib
import reprlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mttjax.datasets.arrays import read_arrays
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import check_names, check_source
from mttjax.datasets.dataset import Dataset, Source
from mttjax.datasets.digits import read_digits
from mttjax.datasets.folders import read_image_folder
from mttjax.datasets.official import read_official
from mttjax.datasets.splits import keep_classes, split_off, take
from mttjax.datasets.tiny_imagenet import read_tiny_imagenet
from mttjax.system.errors import InputError

__all__ = ["DATASET_NAMES", "load_dataset"]

DATASET_NAMES = ("digits", *CATALOGUE, "tiny_imagenet", "image_folder", "arrays")
"""What ``load_dataset`` knows."""


def load_dataset(
    name: str,
    *,
    folder: str | Path | None = None,
    download: bool = False,
    resolution: int | None = None,
    classes: Sequence[int] | None = None,
    validation: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Loads a dataset as uint8 images and int32 labels.

    Args:
      name: "digits" comes with scikit-learn; "mnist", "fashion_mnist", "cifar10",
        "cifar100" and "svhn_cropped" are read from their archives in ``folder``, from
        what TFDS has prepared there or in its data folder, or downloaded;
        "tiny_imagenet" is the unpacked archive; "image_folder" has a sub-folder for each
        class; "arrays" is an ``.npz`` with x_train, y_train, x_test, y_test.
      folder: where the data are; a file for "arrays", not needed for "digits".
      download: whether the network may be used, for the five TFDS names only.
      resolution: height and width, 4 to 1024; needed for "image_folder", 64 unless given
        for "tiny_imagenet", and for the others only their own is accepted.
      classes: class indices to keep, renumbered 0..k-1 in this order; None for all.
      validation: fraction of the training images of each class to set apart, 0 to 0.5.
      seed: decides the validation split, and the test split of an "image_folder" that
        has none.

    Returns:
      A ``Dataset``; images [n, H, W, C] uint8, labels [n] int32. Images come in the same
      order from archives as from TFDS.

    Raises:
      InputError: a setting is out of range, or the data are not there, damaged, or
        not a dataset; the message says which and what to do.
    """
    _check_settings(name, resolution, validation, seed)
    path = None if folder is None else Path(folder).expanduser()
    own_name = _own_name(name, path)
    check_names([own_name])
    try:
        source = _read(
            name, path, download=download, resolution=resolution, classes=classes, seed=seed
        )
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename or path}: {error.strerror or error}; see to its "
            "permissions, or give another place (--data.dir)"
        ) from error
    where = name if path is None or name == "digits" else f"{name} ({path})"
    check_source(source, where)
    height, width = source.train.images.shape[1:3]
    if resolution is not None and (height, width) != (resolution, resolution):
        raise InputError(
            f"resolution is {resolution}, but {where} has images of {height}x{width} and is not "
            "resized: leave resolution out"
        )
    kept, held = split_off(source.train.labels, validation, np.random.default_rng([seed, 0]))
    train = take(source.train, kept) if len(held) else source.train
    return Dataset(
        name=own_name,
        class_names=source.class_names,
        train=train,
        validation=take(source.train, held),
        test=source.test,
    )


def _own_name(name: str, path: Path | None) -> str:
    if path is not None and name == "image_folder":
        return path.resolve().name
    return path.stem if path is not None and name == "arrays" else name


def _check_settings(name: str, resolution: int | None, validation: float, seed: int) -> None:
    if not isinstance(name, str) or name not in DATASET_NAMES:
        near = difflib.get_close_matches(str(name)[:80].lower(), DATASET_NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise InputError(
            f"unknown dataset {reprlib.repr(name)}{hint} Known: {', '.join(DATASET_NAMES)}"
        )
    if resolution is not None and not (_is_integer(resolution) and 4 <= resolution <= 1024):
        raise InputError(
            f"resolution is {reprlib.repr(resolution)}, expected a whole number from 4 to 1024"
        )
    if isinstance(validation, bool) or not (
        isinstance(validation, (int, float, np.number)) and 0 <= validation <= 0.5
    ):
        raise InputError(
            f"validation is {reprlib.repr(validation)}, expected a fraction from 0 to 0.5"
        )
    if not _is_integer(seed) or seed < 0:
        raise InputError(f"seed is {reprlib.repr(seed)}, expected a whole number from 0")


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _read(
    name: str,
    path: Path | None,
    *,
    download: bool,
    resolution: int | None,
    classes: Sequence[int] | None,
    seed: int,
) -> Source:
    if name == "digits":
        return keep_classes(read_digits(), classes)
    if name in CATALOGUE:
        return keep_classes(read_official(name, path, download=download), classes)
    _check_place(name, path)
    if name == "arrays":
        return keep_classes(read_arrays(path), classes)
    if name == "tiny_imagenet":
        return read_tiny_imagenet(path, resolution=resolution or 64, classes=classes)
    if resolution is None:
        raise InputError("image_folder needs a resolution (--data.resolution), such as 64 or 128")
    return read_image_folder(path, resolution=resolution, classes=classes, seed=seed)


def _check_place(name: str, path: Path | None) -> None:
    kind = "file" if name == "arrays" else "folder"
    if path is None:
        raise InputError(f"{name} needs a {kind}: give it (--data.dir {kind.upper()})")
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a {kind} for {name}")
    if path.is_dir() is not (kind == "folder"):
        raise InputError(f"{path} is not a {kind}, as {name} needs")
