"""What every reader returns and what the user gets, and splitting it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Dataset", "Source", "Split", "split_off", "take"]


class Split(NamedTuple):
    """Images with their labels.

    Attributes:
      images: [n, H, W, C] uint8.
      labels: [n] int32, in 0..K-1.
    """

    images: np.ndarray
    labels: np.ndarray


_NOTHING: Mapping[str, str] = MappingProxyType({})


class Source(NamedTuple):
    """A dataset as its source has it: K class names, training and test images."""

    class_names: tuple[str, ...]
    train: Split
    test: Split
    validation: Split | None = None
    """Where the source has such a split of its own."""
    origins: Mapping[str, str] = _NOTHING
    """As those of ``Dataset``."""
    remarks: tuple[str, ...] = ()
    """As those of ``Dataset``."""


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
        ``validation`` is the source's own or was taken from the training images; it may be empty.
      origins: what "classes", "validation" or "test" were made from, where it is worth saying,
        such as "a tenth of training".
      remarks: what else a user should know of what was read, and what was not.

    Raises:
      ValueError: a split of other types or shapes.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    origins: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

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

    def describe(self) -> str:
        """What was read, in one line: classes, images of each split, and what was passed over."""
        made = lambda part: f" ({self.origins[part]})" if self.origins.get(part) else ""
        count = lambda split: f"{len(split.labels):,}" if len(split.labels) else "no"
        how = f": {self.origins['classes']}" if self.origins.get("classes") else ""
        line = (
            f"{self.name}: {self.n_classes} classes ({_listed(self.class_names)}{how}), "
            f"{count(self.train)} training, {count(self.validation)} validation"
            f"{made('validation')}, {count(self.test)} test images{made('test')} "
            f"of {'x'.join(map(str, self.image_shape))}"
        )
        return "; ".join((line, *self.remarks))

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return (
            f"Dataset({self.name!r}: {self.n_classes} classes, {len(self.train.labels)} training, "
            f"{len(self.validation.labels)} validation, {len(self.test.labels)} test images "
            f"of {shape})"
        )


def _listed(names: tuple[str, ...]) -> str:
    """Ten names, or the first three and the last of more; of long ones the beginning."""
    short = [name if len(name) <= 30 else f"{name[:29]}…" for name in names]
    return ", ".join(short if len(short) <= 10 else [*short[:3], "…", short[-1]])


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
