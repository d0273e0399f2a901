"""What is learned: the synthetic images, their labels and the log learning rate."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.system.fields import shown
from mttjax.system.memory import require_memory

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
    """[ipc·K, K] float32: ``ipc`` images of class 0, then of class 1, and so on.

    Raises:
      ValueError: ``ipc`` or K below 1, or more labels than the machine has memory for.
    """
    _require_counts(ipc, classes)
    require_memory(4 * ipc * classes**2, f"labels of {ipc} images of each of {classes} classes")
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
      ValueError: an unknown kind, a class with fewer than ``ipc`` images, labels that are not
        in 0..K-1, ``ipc`` or K below 1, or more noise than the machine has memory for.
    """
    _require_counts(ipc, classes)
    if np.ndim(images) != 4:
        raise ValueError(f"images must be [n, H, W, C], got shape {np.shape(images)}")
    if kind == "noise":
        size = 4 * ipc * classes * math.prod(images.shape[1:])
        require_memory(size, f"noise for {ipc} images of each of {classes} classes")
        return rng.standard_normal((ipc * classes, *images.shape[1:]), np.float32)
    if kind != "real":
        raise ValueError(f"initial images are 'real' or 'noise', got {kind!r}")
    labels = np.asarray(labels)
    whole = np.issubdtype(labels.dtype, np.integer) and labels.shape == images.shape[:1]
    if not whole or (labels.size and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError(
            f"labels must be {len(images)} integers in 0..{classes - 1}, got {labels.dtype} "
            f"{labels.shape}"
        )
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
    """A ``Synthetic`` of float32 arrays from images, labels and learning rates α > 0.

    Raises:
      ValueError: no images [N, H, W, C], labels [N, K] and rates [] or [S] of real numbers, or
        a rate that is not positive and finite in float32.
    """
    for name, array in (("images", images), ("labels", labels), ("lr", lr)):
        if not _is_real(array):
            raise ValueError(f"{name} must be an array of real numbers, got {type(array).__name__}")
    shapes = np.shape(images), np.shape(labels), np.shape(lr)
    if [*map(len, shapes[:2])] != [4, 2] or shapes[0][0] != shapes[1][0] or len(shapes[2]) > 1:
        raise ValueError(
            "a synthetic set has images [N, H, W, C], labels [N, K] and rates [] or [S], got "
            f"shapes {', '.join(map(str, shapes))}"
        )
    with np.errstate(over="ignore"):
        rates = np.asarray(lr, np.float32)
    if not np.all((rates > 0) & np.isfinite(rates)):
        raise ValueError(f"the student's learning rate must be positive, got {lr}")
    as_float32 = lambda x: jnp.asarray(x, jnp.float32)
    return Synthetic(as_float32(images), as_float32(labels), jnp.log(as_float32(lr)))


def _is_real(x):
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        return isinstance(x, int | float)
    return jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)


def _require_counts(ipc, classes):
    for name, count in (("ipc", ipc), ("classes", classes)):
        whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
        if not whole or not 1 <= count < 2**31:
            raise ValueError(f"{name} must be a whole number of at least 1, got {shown(count)}")
