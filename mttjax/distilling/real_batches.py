"""Batches of real images for a step, drawn from the seed and the step's number alone."""

import numpy as np

from mttjax.distilling.method import Drawn
from mttjax.system import seeds
from mttjax.system.errors import InputError

__all__ = ["ClassBatches", "MixedBatches"]


class ClassBatches:
    """Real images of every class; ``draw(step)`` gives them as [K, R, H, W, C] uint8.

    A class of fewer than R images gives each once, and they are repeated up to R, for the shape
    alone: ``mask`` says which count.

    Args:
      images: [n, H, W, C] uint8.
      labels: [n] integers in 0..K-1.
      classes: K.
      size: R; less where no class has so many images.
      seed: of the run.

    Raises:
      InputError: a class without images.
    """

    mask: np.ndarray | None
    """[K, R] bool: False where an image is there for the shape alone; None where all count."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, classes: int, *, size: int, seed: int
    ) -> None:
        self._images, self._seed = images, seed
        self._of_class = [np.flatnonzero(labels == k) for k in range(classes)]
        counts = [len(indices) for indices in self._of_class]
        if min(counts) < 1:
            raise InputError(f"class {int(np.argmin(counts))} has no training images to match")
        self._size = min(size, max(counts))
        mask = np.arange(self._size) < np.array(counts)[:, None]
        self.mask = None if mask.all() else mask

    def draw(self, step: int) -> Drawn:
        """What step ``step`` matches; among those that count, no image twice."""
        rng = seeds.rng("real_batches", self._seed, step)
        drawn = [rng.choice(i, min(self._size, len(i)), replace=False) for i in self._of_class]
        return Drawn(self._images[np.stack([np.resize(i, self._size) for i in drawn])], {})


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
