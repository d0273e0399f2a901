"""``load_dataset``: one call for every kind of source."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from mttjax.datasets.archives import archive_names, find_archives, read_archives
from mttjax.datasets.arrays import read_arrays, read_digits
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import check_names, check_source
from mttjax.datasets.classes import keep_classes
from mttjax.datasets.dataset import Dataset, Source, split_off, take
from mttjax.datasets.folders import has_class_folders, read_image_folder, read_official_folder
from mttjax.datasets.names import DATASET_NAMES, Fit, dataset_name
from mttjax.datasets.prepared import default_data_dir, find_prepared, read_prepared
from mttjax.datasets.preparing import prepare
from mttjax.datasets.reading import RESOLUTIONS, Size
from mttjax.datasets.tiny_imagenet import read_tiny_imagenet
from mttjax.system.errors import InputError
from mttjax.system.fields import SEED, Range, is_whole
from mttjax.system.seeds import rng
from mttjax.system.text import did_you_mean, shown

__all__ = ["load_dataset"]

_VALIDATION = Range(0, 0.5)


def load_dataset(
    name: str,
    *,
    folder: str | Path | None = None,
    download: bool = False,
    resolution: int | None = None,
    classes: Sequence[str | int] | None = None,
    fit: Fit = "crop",
    validation: float = 0.1,
    seed: int = 0,
    log: Callable[[str], object] | None = None,
) -> Dataset:
    """Loads a dataset as uint8 images and int32 labels.

    Args:
      name: "digits" comes with scikit-learn; "mnist", "fashion_mnist", "cifar10",
        "cifar100" and "svhn_cropped" are read from their archives in ``folder``, from image
        files in ``train/<class>/`` and ``test/<class>/`` there, from what TFDS has prepared
        there or in its data folder, or downloaded; "tiny_imagenet" is the unpacked archive;
        "image_folder" has a sub-folder for each class; "arrays" is an ``.npz`` with x_train,
        y_train, x_test, y_test.
      folder: where the data are; a file for "arrays", not needed for "digits".
      download: whether the network may be used, for the five TFDS names only.
      resolution: height and width, 4 to 1024, that images of an "image_folder" are brought to;
        None: their own, which all must have. 64 unless given for "tiny_imagenet"; for the
        others only their own is accepted.
      classes: classes to keep, renumbered 0..k-1 in this order; None for all. Text is a name
        where all that is given are names, else digits are an index; numbers are indices.
      fit: how images are brought to the resolution: "crop" takes the central square,
        antialiased; "squash" scales the sides each by themselves, without antialiasing.
      validation: fraction of the training images of each class to set apart, 0 to 0.5; none
        are where the data have a validation split of their own.
      seed: decides the validation split, and the test split of an "image_folder" that
        has none.
      log: called with the line that ``describe`` gives.

    Returns:
      A ``Dataset``; images [n, H, W, C] uint8, labels [n] int32. Images come in the same
      order from archives as from TFDS. Some may lie in a file of the cache: copy them to
      write to them.

    Raises:
      InputError: an argument is out of range, or the data are not there, damaged, or
        not a dataset; the message says which and what to do.
    """
    _check_arguments(name, resolution, fit, validation, seed)
    path = None if folder is None else Path(folder).expanduser()
    title = dataset_name(name, folder)
    check_names([title])
    where = name if path is None or name == "digits" else f"{name} ({path})"
    try:
        source = _read(name, path, download, Size(resolution, fit), classes, seed)
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename or path}: {error.strerror or error}; see to its "
            "permissions, or give another folder"
        ) from error
    except MemoryError as error:
        raise InputError(
            f"{where}: not enough memory for its images. Lower data.resolution, or choose fewer "
            "data.classes"
        ) from error
    check_source(source, where)
    height, width = source.train.images.shape[1:3]
    if resolution is not None and (height, width) != (resolution, resolution):
        raise InputError(
            f"resolution is {resolution}, but {where} has images of {height}x{width} and is not "
            "resized: leave resolution out"
        )
    dataset = _with_validation(title, source, validation, seed)
    if log is not None:
        log(dataset.describe())
    return dataset


def _with_validation(title: str, source: Source, fraction: float, seed: int) -> Dataset:
    """The source with its own validation split, or with one taken from its training images."""
    train, validation, origins = source.train, source.validation, dict(source.origins)
    if validation is None:
        kept, held = split_off(train.labels, fraction, rng("validation_split", seed))
        validation = take(train, held)
        if len(held):
            train = take(train, kept)
            origins["validation"] = f"{_FRACTIONS.get(fraction, f'{fraction:.3g}')} of training"
    names, remarks = source.class_names, list(source.remarks)
    for part, split in (("test", source.test), ("validation", validation)):
        without = np.flatnonzero(np.bincount(split.labels, minlength=len(names)) == 0)
        if len(without) and len(split.labels):
            listed = ", ".join(names[k] for k in without[:5]) + (", …" if len(without) > 5 else "")
            n = f"{len(without)} class{'es' if len(without) > 1 else ''}"
            remarks.append(f"no {part} image of {n} ({listed}): no accuracy speaks of them")
    return Dataset(title, names, train, validation, source.test, origins, tuple(remarks))


_FRACTIONS = {0.5: "half", 0.25: "a quarter", 0.2: "a fifth", 0.1: "a tenth"}


def _check_arguments(
    name: str, resolution: int | None, fit: str, validation: float, seed: int
) -> None:
    if not isinstance(name, str) or name not in DATASET_NAMES:
        raise InputError(f"unknown dataset {shown(name)}; {did_you_mean(name, DATASET_NAMES)}")
    if resolution is not None and not (is_whole(resolution) and RESOLUTIONS.holds(resolution)):
        raise InputError(f"resolution is {shown(resolution)}: must be a whole number {RESOLUTIONS}")
    if fit not in get_args(Fit):
        raise InputError(f"fit is {shown(fit)}: must be one of {', '.join(get_args(Fit))}")
    number = is_whole(validation) or isinstance(validation, float | np.floating)
    if not number or not _VALIDATION.holds(validation):
        raise InputError(f"validation is {shown(validation)}: must be a fraction {_VALIDATION}")
    if not is_whole(seed) or not SEED.holds(seed):
        raise InputError(f"seed is {shown(seed)}: must be a whole number {SEED}")


def _read(name, path, download, size, classes, seed):
    """The ``Source`` of the arguments of ``load_dataset``, with the chosen classes only."""
    if name == "digits":
        if path is not None:
            raise InputError(
                f"the folder is {path}, but digits come with scikit-learn: leave data.dir out, or "
                "give what is there as data.dataset, such as image_folder"
            )
        return keep_classes(read_digits(), classes)
    if name in CATALOGUE:
        return keep_classes(_read_official(name, path, download), classes)
    kind = "file" if name == "arrays" else "folder"
    if path is None:
        raise InputError(f"{name} needs a {kind}: give it as data.dir")
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a {kind} for {name}")
    if path.is_dir() is not (kind == "folder"):
        raise InputError(f"{path} is not a {kind}, as {name} needs")
    if name == "arrays":
        return keep_classes(read_arrays(path), classes)
    if name == "tiny_imagenet":
        return read_tiny_imagenet(path, size=size, classes=classes)
    return read_image_folder(path, size=size, classes=classes, seed=seed)


def _read_official(name: str, folder: Path | None, download: bool) -> Source:
    """From archives or class folders in ``folder``; prepared by TFDS there or in its own folder;
    fetched."""
    if folder is not None and not folder.is_dir() and (folder.exists() or not download):
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {fault}; expected one with {archive_names(name)}")
    paths = None if folder is None else find_archives(name, folder)
    if paths is not None:
        return read_archives(name, paths)
    for place in () if folder is None else (folder / name, folder):
        if has_class_folders(place):
            return read_official_folder(name, place, CATALOGUE[name])
    roots = [root for root in (folder, default_data_dir()) if root is not None]
    prepared = find_prepared(name, roots)
    if prepared is None and download:
        prepared = prepare(name, roots[0])
    if prepared is None:
        both = f"{folder} and {folder / name}" if folder else ""
        places = f"in {both} for archives or train/ and test/ with class folders, " if both else ""
        raise InputError(
            f"{name} is not there: looked {places}in {', '.join(str(r / name) for r in roots)} "
            "for what TFDS has prepared as array_record (other formats need TensorFlow). "
            f"Give a folder with {archive_names(name)}, or allow the download"
        )
    return read_prepared(name, prepared)
