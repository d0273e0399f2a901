"""Batches of real images for a step, drawn from the seed and the step's number alone."""

import numpy as np

from mttjax.distilling.method import Drawn
from mttjax.system import seeds
from mttjax.system.errors import InputError

__all__ = ["ClassBatches", "MixedBatches"]


class ClassBatches:
    """R real images of every class; ``draw(step)`` gives them as [K, R, H, W, C] uint8.

    Args:
      images: [n, H, W, C] uint8.
      labels: [n] integers in 0..K-1.
      classes: K.
      size: R; less where a class has fewer images.
      seed: of the run.

    Raises:
      InputError: a class without images.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, classes: int, *, size: int, seed: int
    ) -> None:
        self._images, self._seed = images, seed
        self._of_class = [np.flatnonzero(labels == k) for k in range(classes)]
        counts = [len(indices) for indices in self._of_class]
        if min(counts) < 1:
            raise InputError(f"class {int(np.argmin(counts))} has no training images to match")
        self._size = min(size, *counts)

    def draw(self, step: int) -> Drawn:
        """What step ``step`` matches; no image twice within a step."""
        rng = seeds.rng("real_batches", self._seed, step)
        chosen = [rng.choice(indices, self._size, replace=False) for indices in self._of_class]
        return Drawn(self._images[np.stack(chosen)], {})


class MixedBatches:
    """R real images of any class: (images [R, H, W, C] uint8, labels [R] int32).

    Args:
      images: [n, H, W, C] uint8.
      labels: [n] integers.
      size: R; at most n.
      seed: of the run.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, *, size: int, seed: int) -> None:
        self._images, self._labels, self._seed = images, labels, seed
        self._size = min(size, len(labels))

    def draw(self, step: int) -> Drawn:
        """What the student of step ``step`` is tested on; no image twice within a step."""
        rng = seeds.rng("real_batches", self._seed, step)
        chosen = rng.choice(len(self._labels), self._size, replace=False)
        return Drawn((self._images[chosen], self._labels[chosen].astype(np.int32)), {})
