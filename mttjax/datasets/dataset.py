"""What every reader returns and what the user gets; choosing classes and splitting."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.text import shown

__all__ = ["Dataset", "Source", "Split", "check_classes", "keep_classes", "split_off", "take"]


class Split(NamedTuple):
    """Images with their labels.

    Attributes:
      images: [n, H, W, C] uint8.
      labels: [n] int32, in 0..K-1.
    """

    images: np.ndarray
    labels: np.ndarray


class Source(NamedTuple):
    """A dataset as its source has it: K class names, training and test images."""

    class_names: tuple[str, ...]
    train: Split
    test: Split


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A labelled image set with a validation split that the test set has no part in.

    ``load_dataset`` makes one; so do arrays of your own:

    >>> images, labels = np.zeros((10, 8, 8, 1), np.uint8), np.arange(10, dtype=np.int32) % 2
    >>> Dataset(
    ...     "mine",
    ...     ("cat", "dog"),
    ...     train=Split(images[:6], labels[:6]),
    ...     validation=Split(images[6:8], labels[6:8]),
    ...     test=Split(images[8:], labels[8:]),
    ... )
    Dataset('mine': 2 classes, 6 training, 2 validation, 2 test images of 8x8x1)

    Attributes:
      name: what was asked for, such as ``"cifar10"``, or the name of the folder or file.
      class_names: K names, in the order of the labels.
      train, validation, test: each images [n, H, W, C] uint8 and labels [n] int32.
        ``validation`` was taken from the training images and may be empty.

    Raises:
      ValueError: a split of other types or shapes.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            images, labels = getattr(self, part)
            types, shapes = (images.dtype, labels.dtype), (images.shape, labels.shape)
            if types != (np.uint8, np.int32) or len(shapes[0]) != 4 or shapes[1] != shapes[0][:1]:
                raise ValueError(
                    f"{part} is {types[0]} {shapes[0]} with labels {types[1]} {shapes[1]}, "
                    "expected uint8 [n, H, W, C] with int32 [n]"
                )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @cached_property
    def checksum(self) -> str:
        """What the training images and labels are known by: their CRC-32, 8 hexadecimal digits."""
        images, labels = (np.ascontiguousarray(array).data for array in self.train)
        return f"{zlib.crc32(labels, zlib.crc32(images)):08x}"

    @property
    def identity(self) -> dict[str, Any]:
        """What the images are known by, as JSON values; where they lie is not part of it."""
        shape, classes = list(self.image_shape), list(self.class_names)
        return {"checksum": self.checksum, "shape": shape, "classes": classes}

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return (
            f"Dataset({self.name!r}: {self.n_classes} classes, {len(self.train.labels)} training, "
            f"{len(self.validation.labels)} validation, {len(self.test.labels)} test images "
            f"of {shape})"
        )


def take(split: Split, indices: np.ndarray) -> Split:
    """The images and labels at ``indices``."""
    return Split(split.images[indices], split.labels[indices])


def split_off(
    labels: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Splits each class by the same fraction.

    Args:
      labels: [n] int32.
      fraction: of each class to split off; above 0 a class of two or more gives at
        least one image and keeps at least one.
      rng: decides which.

    Returns:
      The indices kept and those split off, both ascending.
    """
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels) if fraction > 0 else ():
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
            held[rng.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def check_classes(classes: Sequence[int] | None, n_classes: int) -> tuple[int, ...]:
    """Returns the wanted class indices, all of them for None.

    Raises:
      InputError: not integers, one twice, one outside 0..n_classes-1.
    """
    if classes is None:
        return tuple(range(n_classes))
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)
    if not listed or not all(map(is_whole, classes)):
        raise InputError(f"classes is {shown(classes)}, expected class indices such as (0, 3, 5)")
    wanted = tuple(int(k) for k in classes)
    if len(set(wanted)) < len(wanted):
        raise InputError(f"classes {wanted} names a class twice")
    outside = [k for k in wanted if not 0 <= k < n_classes]
    if outside:
        raise InputError(f"classes has {outside[0]}, but the indices go from 0 to {n_classes - 1}")
    return wanted


def keep_classes(source: Source, classes: Sequence[int] | None) -> Source:
    """Keeps the given classes, renumbered 0..k-1 in the given order.

    Raises:
      InputError: as ``check_classes``.
    """
    if classes is None:
        return source
    wanted = check_classes(classes, len(source.class_names))
    new = np.full(len(source.class_names), -1, np.int32)
    new[list(wanted)] = np.arange(len(wanted))

    def keep(split: Split) -> Split:
        labels = new[split.labels]
        return take(Split(split.images, labels), labels >= 0)

    names = tuple(source.class_names[k] for k in wanted)
    return Source(names, keep(source.train), keep(source.test))
