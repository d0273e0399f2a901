"""What is learned: the synthetic images, their labels and the log learning rate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Synthetic", "initial_images", "mean_rate", "one_hot_labels", "to_device"]


class Synthetic(NamedTuple):
    """The distilled data as a pytree; the differentiated argument of every objective.

    ``images`` [N, H, W, C] in normalised space, ``labels`` [N, K] probabilities,
    ``log_lr`` [] the natural logarithm of the student's learning rate α, or [S] where every
    student step has its own.
    """

    images: jax.Array
    labels: jax.Array
    log_lr: jax.Array


def one_hot_labels(ipc, classes):
    """[ipc·K, K] float32: ``ipc`` images of class 0, then of class 1, and so on."""
    return np.repeat(np.eye(classes, dtype=np.float32), ipc, axis=0)


def initial_images(rng, ipc, images, labels, classes, *, kind="real"):
    """Indices of real images, or Gaussian noise, to begin a distillation from.

    Args:
      rng: a ``numpy.random.Generator``.
      ipc: images per class, at least 1.
      images: [n, H, W, C], read for its shape only.
      labels: [n] integers in 0..K-1.
      classes: K.
      kind: ``real`` (without replacement) or ``noise``.

    Returns:
      For ``real`` [ipc·K] int64 indices into ``images``, class by class; for ``noise``
      [ipc·K, H, W, C] float32, standard normal (normalised space).

    Raises:
      ValueError: an unknown kind, or a class with fewer than ``ipc`` images.
    """
    if kind == "noise":
        return rng.standard_normal((ipc * classes, *images.shape[1:]), np.float32)
    if kind != "real":
        raise ValueError(f"initial images are 'real' or 'noise', got {kind!r}")
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < ipc:
        raise ValueError(
            f"class {counts.argmin()} has {counts.min()} training images and ipc is {ipc}: "
            "take a smaller ipc, or noise as initial images"
        )
    chosen = [rng.choice(np.flatnonzero(labels == k), ipc, replace=False) for k in range(classes)]
    return np.concatenate(chosen)


def mean_rate(synthetic):
    """α as a float; the mean where every student step has its own."""
    return float(np.mean(np.exp(np.asarray(synthetic.log_lr, np.float64))))


def to_device(images, labels, lr):
    """A ``Synthetic`` of float32 arrays from images, labels and learning rates α > 0."""
    if not np.all(np.asarray(lr) > 0):
        raise ValueError(f"the student's learning rate must be positive, got {lr}")
    as_float32 = lambda x: jnp.asarray(x, jnp.float32)  # noqa: E731
    return Synthetic(as_float32(images), as_float32(labels), jnp.log(as_float32(lr)))
