"""Checks of what comes from outside; every fault is an ``InputError``."""

from collections.abc import Iterable

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.names import composed
from mttjax.system.errors import InputError
from mttjax.system.text import is_printable

__all__ = ["as_split", "check_names", "check_source"]


_MOST_CHANNELS = 32


def as_split(images: np.ndarray, labels: np.ndarray, n_classes: int | None, what: str) -> Split:
    """Images and labels as a ``Split``.

    Args:
      images: [n, H, W, C], C up to 32, or, greyscale, [n, H, W] uint8.
      labels: [n] or [n, 1] integers.
      n_classes: K; the labels must lie in 0..K-1. None for the largest label plus one.
      what: how a message names them, such as ``"data.npz: training"``.

    Raises:
      InputError: other types or shapes, NaN, labels out of range, counts that differ.
    """
    images = _as_images(images, f"{what} images")
    labels = _as_labels(labels, n_classes, f"{what} labels")
    if len(images) != len(labels):
        raise InputError(f"{what}: {len(images)} images but {len(labels)} labels")
    return Split(images, labels)


def _as_images(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype != np.uint8:
        raise InputError(f"{what}: {_dtype_fault(array)}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and array.size:
        _, height, width, channels = array.shape
        first = height < 4 or height < width == channels
        if channels in (1, 3) or (channels <= _MOST_CHANNELS and not first):
            return array
    remedy = ""
    if array.ndim == 4 and array.shape[1] <= _MOST_CHANNELS:
        remedy = "; if the channels come first here, use x.transpose(0, 2, 3, 1)"
    raise InputError(
        f"{what} has shape {array.shape}; expected [n, height, width, channels] with up to "
        f"{_MOST_CHANNELS} channels, or [n, height, width], and at least one image{remedy}"
    )


def _dtype_fault(array: np.ndarray) -> str:
    fault = f"the images are {array.dtype}, expected uint8 with values 0 to 255"
    if array.dtype.kind != "f" or not array.size:
        return fault
    if not np.isfinite(array).all():
        return f"{fault}; they hold NaN or infinite values: repair or remove those images"
    low, high = float(array.min()), float(array.max())
    remedy = "scale to 0..255, round and cast"
    if low >= 0 and high <= 1:
        remedy = "multiply by 255 and cast, (255 * x).round().astype('uint8')"
    return f"{fault}; the values lie in [{low:g}, {high:g}]: {remedy}"


def _as_labels(array: np.ndarray, n_classes: int | None, what: str) -> np.ndarray:
    if array.dtype.kind not in "iu":
        remedy = ": number the classes 0, 1, ... and cast to int32"
        if array.dtype.kind == "f" and np.isnan(array).any():
            remedy = "; some are NaN: repair or remove those images"
        raise InputError(f"{what} holds {array.dtype}, expected integer labels{remedy}")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(f"{what} has shape {array.shape}, expected [n]{_hot_remedy(array)}")
    top = np.iinfo(np.int32).max if n_classes is None else n_classes - 1
    if array.size and (array.min() < 0 or array.max() > top):
        raise InputError(
            f"{what} has labels from {array.min()} to {array.max()}, expected 0 to {top}"
        )
    return array.astype(np.int32)


def _hot_remedy(array: np.ndarray) -> str:
    if array.ndim != 2 or array.min(initial=0) < 0 or array.max(initial=0) > 1:
        return ": one class number an image"
    if (array.sum(axis=1) == 1).all():
        return ": use y.argmax(-1) for one-hot labels"
    return (
        ": these say of each image which of several things are true, so that some are of several "
        "classes or of none. Only sets with one class an image can be distilled"
    )


def check_names(names: Iterable[str]) -> None:
    """Checks names of classes or of a dataset, which terminals, pages and files will show.

    Raises:
      InputError: a control character (a terminal may obey it), what UTF-8 cannot hold, or two
        names that differ in their form of Unicode alone and look the same.
    """
    names = list(names)
    for name in names:
        if not is_printable(name):
            raise InputError(
                f"the name {name[:80]!a} has control characters or is not UTF-8: rename it"
            )

    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(composed(name), name)
        if other != name:
            raise InputError(
                f"two classes are called {composed(name)!r}, in two forms of Unicode ({other!a} "
                f"and {name!a}): rename one, or write both in one form"
            )


def check_source(source: Source, where: str) -> None:
    """Checks what concerns the whole set, after the wanted classes were chosen.

    Raises:
      InputError: names as in ``check_names``, fewer than two classes, a class without training
        images, no test images, test images of another shape.
    """
    names, train, test = source.class_names, source.train, source.test
    check_names(names)
    if len(names) < 2:
        raise InputError(f"{where} has {len(names)} class ({', '.join(names)}), expected 2 or more")
    empty = np.flatnonzero(np.bincount(train.labels, minlength=len(names)) == 0)
    if len(empty):
        raise InputError(
            f"{where}: no training image of {len(empty)} of the {len(names)} classes, "
            f"the first is {names[empty[0]]!r}: add images or leave the class out"
        )
    if not len(test.labels):
        raise InputError(f"{where} has no test image of the chosen classes")
    for part, split in (("test", test), ("validation", source.validation)):
        if split is not None and train.images.shape[1:] != split.images.shape[1:]:
            raise InputError(
                f"{where}: training images are {train.images.shape[1:]}, "
                f"{part} images {split.images.shape[1:]}; they must agree"
            )
