"""What every loader returns and what the user gets."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

__all__ = ["Dataset", "Source", "Split"]


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


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled image set with a validation split that the test set has no part in.

    Attributes:
      name: what was asked for, such as ``"cifar10"``, or the name of the folder or file.
      class_names: K names, in the order of the labels.
      train, validation, test: each images [n, H, W, C] uint8 and labels [n] int32.
        ``validation`` was taken from the training images and may be empty.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split = field(repr=False)
    validation: Split = field(repr=False)
    test: Split = field(repr=False)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.class_names)
