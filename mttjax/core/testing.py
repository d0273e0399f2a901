"""What networks get right of real images, class by class: a program that who tests shares."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.preprocessing import Preprocessing
from mttjax.core.training import classified_correctly
from mttjax.core.types import Apply, Params

__all__ = ["filled_up", "make_test", "share_of"]

NOBODY = -1
"""The label of an image that fills up; no network says so of an image."""

Test = Callable[[Params, Preprocessing, jax.Array, jax.Array], jax.Array]


@lru_cache(maxsize=32)
def make_test(apply: Apply, classes: int, chunk: int) -> Test:
    """``test(params, preprocessing, images, labels) -> correct``, compiled once.

    The same arguments give the same function, so that experts and evaluations share it.

    Args:
      apply: the network whose parameters are tested, without augmentation.
      classes: K.
      chunk: images at once; see ``filled_up``.

    Returns:
      The function; ``correct`` is [K] int32, how many of each class.
    """

    def test(params, preprocessing, images, labels):
        normalise = preprocessing.__call__
        hits = classified_correctly(apply, normalise, params, images, labels, chunk=chunk)
        return jnp.zeros(classes, jnp.int32).at[labels].add(hits.astype(jnp.int32))

    return jax.jit(test)


def filled_up(images: np.ndarray, labels: np.ndarray, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels in whole chunks: one program, with the network in it once, for all sizes.

    What fills up is never counted. For networks that look at each image by itself.

    Args:
      images: [n, H, W, C] uint8.
      labels: [n] integers.
      chunk: as in ``make_test``; fewer images are left as they are.
    """
    missing = -len(labels) % chunk if len(labels) > chunk else 0
    black = np.zeros((missing, *images.shape[1:]), images.dtype)
    nobody = np.full(missing, NOBODY, labels.dtype)
    return np.concatenate([images, black]), np.concatenate([labels, nobody])


def share_of(correct: np.ndarray, n: int) -> np.ndarray:
    """The accuracy, [...] float32, of ``correct`` [..., K] out of n images."""
    hits = np.sum(correct, axis=-1).astype(np.float32)
    return hits * (np.float32(1) / np.float32(n))  # how XLA divides by a constant
