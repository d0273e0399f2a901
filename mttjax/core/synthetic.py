"""What is learned: the synthetic images, their labels and the log learning rate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mttjax.system.fields import require_count

__all__ = ["Synthetic", "make_synthetic", "mean_rate", "one_hot_labels"]


class Synthetic(NamedTuple):
    """The distilled data as a pytree; the differentiated argument of every objective.

    ``images`` [N, H, W, C] in normalised space, ``labels`` [N, K] probabilities,
    ``log_lr`` [] the natural logarithm of the student's learning rate α, or [S] where every
    student step has its own.
    """

    images: jax.Array
    labels: jax.Array
    log_lr: jax.Array


def one_hot_labels(ipc: int, classes: int) -> np.ndarray:
    """[ipc·K, K] float32: ``ipc`` images of class 0, then of class 1, and so on.

    Raises:
      ValueError: ``ipc`` or K is no whole number of at least 1.
    """
    require_count(ipc=ipc, classes=classes)
    return np.repeat(np.eye(classes, dtype=np.float32), ipc, axis=0)


def make_synthetic(images: ArrayLike, labels: ArrayLike, lr: ArrayLike) -> Synthetic:
    """A ``Synthetic`` of float32 arrays from images, labels and learning rates α > 0.

    Args:
      images: [N, H, W, C] in normalised space.
      labels: [N, K] probabilities, such as ``one_hot_labels``.
      lr: α [], or [S] where every student step has its own.

    Raises:
      ValueError: other shapes, or a rate that is not positive and finite in float32.
    """
    shapes = np.shape(images), np.shape(labels), np.shape(lr)
    if [*map(len, shapes[:2])] != [4, 2] or shapes[0][0] != shapes[1][0] or len(shapes[2]) > 1:
        raise ValueError(
            "a synthetic set has images [N, H, W, C], labels [N, K] and rates [] or [S], got "
            f"shapes {', '.join(map(str, shapes))}"
        )
    images, labels, rates = (np.asarray(x, np.float32) for x in (images, labels, lr))
    if not np.all((rates > 0) & np.isfinite(rates)):
        raise ValueError(f"the student's learning rate must be positive, got {lr}")
    # The logarithm by JAX, whose last bit may be another than that of NumPy.
    return Synthetic(jax.device_put(images), jax.device_put(labels), jnp.log(rates))


def mean_rate(synthetic: Synthetic) -> float:
    """α as a float; the mean where every student step has its own."""
    return float(np.mean(np.exp(np.asarray(synthetic.log_lr, np.float64))))
