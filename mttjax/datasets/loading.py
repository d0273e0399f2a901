"""``load_dataset``: one call for every kind of source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mttjax.datasets.archives import archive_names, find_archives, read_archives
from mttjax.datasets.arrays import read_arrays, read_digits
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import check_names, check_source
from mttjax.datasets.dataset import Dataset, Source, keep_classes, split_off, take
from mttjax.datasets.folders import read_image_folder
from mttjax.datasets.prepared import default_data_dir, find_prepared, read_prepared
from mttjax.datasets.preparing import prepare
from mttjax.datasets.tiny_imagenet import read_tiny_imagenet
from mttjax.system.errors import InputError
from mttjax.system.fields import SEED, Range, is_whole
from mttjax.system.seeds import rng
from mttjax.system.text import did_you_mean, shown

__all__ = ["DATASET_NAMES", "load_dataset"]

DATASET_NAMES = ("digits", *CATALOGUE, "tiny_imagenet", "image_folder", "arrays")
"""What ``load_dataset`` knows."""

_RESOLUTIONS, _VALIDATION = Range(4, 1024), Range(0, 0.5)


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
      InputError: an argument is out of range, or the data are not there, damaged, or
        not a dataset; the message says which and what to do.
    """
    _check_arguments(name, resolution, validation, seed)
    path = None if folder is None else Path(folder).expanduser()
    title = name
    if path is not None and name in ("image_folder", "arrays"):
        title = path.stem if name == "arrays" else path.resolve().name
    check_names([title])
    try:
        source = _read(name, path, download, resolution, classes, seed)
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename or path}: {error.strerror or error}; see to its "
            "permissions, or give another folder"
        ) from error
    where = name if path is None or name == "digits" else f"{name} ({path})"
    check_source(source, where)
    height, width = source.train.images.shape[1:3]
    if resolution is not None and (height, width) != (resolution, resolution):
        raise InputError(
            f"resolution is {resolution}, but {where} has images of {height}x{width} and is not "
            "resized: leave resolution out"
        )
    kept, held = split_off(source.train.labels, validation, rng("validation_split", seed))
    train = take(source.train, kept) if len(held) else source.train
    return Dataset(title, source.class_names, train, take(source.train, held), source.test)


def _check_arguments(name: str, resolution: int | None, validation: float, seed: int) -> None:
    if not isinstance(name, str) or name not in DATASET_NAMES:
        raise InputError(f"unknown dataset {shown(name)}; {did_you_mean(name, DATASET_NAMES)}")
    if resolution is not None and not (is_whole(resolution) and _RESOLUTIONS.holds(resolution)):
        raise InputError(
            f"resolution is {shown(resolution)}: must be a whole number {_RESOLUTIONS}"
        )
    number = is_whole(validation) or isinstance(validation, float | np.floating)
    if not number or not _VALIDATION.holds(validation):
        raise InputError(f"validation is {shown(validation)}: must be a fraction {_VALIDATION}")
    if not is_whole(seed) or not SEED.holds(seed):
        raise InputError(f"seed is {shown(seed)}: must be a whole number {SEED}")


def _read(name, path, download, resolution, classes, seed):
    """The ``Source`` of the arguments of ``load_dataset``, with the chosen classes only."""
    if name == "digits":
        return keep_classes(read_digits(), classes)
    if name in CATALOGUE:
        return keep_classes(_read_official(name, path, download), classes)
    kind = "file" if name == "arrays" else "folder"
    if path is None:
        raise InputError(f"{name} needs a {kind}: give it as the folder")
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a {kind} for {name}")
    if path.is_dir() is not (kind == "folder"):
        raise InputError(f"{path} is not a {kind}, as {name} needs")
    if name == "arrays":
        return keep_classes(read_arrays(path), classes)
    if name == "tiny_imagenet":
        return read_tiny_imagenet(path, resolution=resolution or 64, classes=classes)
    if resolution is None:
        raise InputError("image_folder needs a resolution, such as 64 or 128")
    return read_image_folder(path, resolution=resolution, classes=classes, seed=seed)


def _read_official(name: str, folder: Path | None, download: bool) -> Source:
    """From archives in ``folder``; prepared by TFDS there or in its own folder; fetched."""
    if folder is not None and not folder.is_dir() and (folder.exists() or not download):
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {fault}; expected one with {archive_names(name)}")
    paths = None if folder is None else find_archives(name, folder)
    if paths is not None:
        return read_archives(name, paths)
    roots = [root for root in (folder, default_data_dir()) if root is not None]
    prepared = find_prepared(name, roots)
    if prepared is None and download:
        prepared = prepare(name, roots[0])
    if prepared is None:
        places = "" if folder is None else f"in {folder} and {folder / name} for archives, "
        raise InputError(
            f"{name} is not there: looked {places}in {', '.join(str(r / name) for r in roots)} "
            "for what TFDS has prepared as array_record (other formats need TensorFlow). "
            f"Give a folder with {archive_names(name)}, or allow the download"
        )
    return read_prepared(name, prepared)
