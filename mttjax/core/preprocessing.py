"""From uint8 pixels to the normalised space that networks see, and back."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from mttjax.core.statistics import STATISTICS

__all__ = ["ZCA", "Preprocessing", "Standardize", "fit_preprocessing", "preprocessing_from_arrays"]

ZCA_EPSILON = 0.1


class Standardize(NamedTuple):
    """(x - mean) / std per channel; mean and std [C] float32 in [0, 1] space."""

    mean: np.ndarray
    std: np.ndarray

    @property
    def kind(self) -> str:
        """How it is called in settings and files."""
        return "standardize"

    def __call__(self, images: jax.Array | np.ndarray) -> jax.Array:
        """[..., H, W, C] uint8 -> float32, normalised."""
        # NumPy's by NumPy, or JAX would compile four programs for every shape; divided as XLA
        # divides by a constant, to the same bits.
        pixels = images.astype(np.float32) * (np.float32(1) / np.float32(255))
        mean, std = (self._like(statistic, pixels) for statistic in self)
        return (pixels - mean) * (np.float32(1) / std)

    def inverse(self, images: jax.Array) -> jax.Array:
        """[..., H, W, C] normalised -> float32 with pixels in [0, 1], not clipped."""
        return images * self._like(self.std, images) + self._like(self.mean, images)

    @staticmethod
    def _like(statistic, images):
        return statistic.reshape((1,) * (images.ndim - 1) + (-1,))


class ZCA(NamedTuple):
    """x' = (x - mean) @ whiten over all D = H·W·C pixels; mean [D], the others [D, D] float32."""

    mean: np.ndarray
    whiten: np.ndarray
    unwhiten: np.ndarray

    @property
    def kind(self) -> str:
        """How it is called in settings and files."""
        return "zca"

    def __call__(self, images: jax.Array | np.ndarray) -> jax.Array:
        """[..., H, W, C] uint8 -> float32, whitened."""
        flat = jnp.asarray(images, jnp.float32).reshape(-1, self.mean.size) / 255
        flat = _exact_product(flat - jnp.asarray(self.mean)[None], self.whiten)
        return flat.reshape(images.shape)

    def inverse(self, images: jax.Array) -> jax.Array:
        """[..., H, W, C] whitened -> float32 with pixels in [0, 1], not clipped."""
        flat = _exact_product(images.reshape(-1, self.mean.size), self.unwhiten)
        return (flat + jnp.asarray(self.mean)[None]).reshape(images.shape)


Preprocessing = Standardize | ZCA
_KINDS: dict[str, type[Preprocessing]] = {"standardize": Standardize, "zca": ZCA}


def _exact_product(a, b):
    # Accelerators multiply float32 in lower precision unless told not to.
    return jnp.matmul(a, jnp.asarray(b), precision=lax.Precision.HIGHEST)


def fit_preprocessing(
    kind: str, images: np.ndarray, *, dataset: str | None = None
) -> Preprocessing:
    """The preprocessing of a training set.

    Args:
      kind: ``standardize`` or ``zca``.
      images: [n, H, W, C] uint8, the training images.
      dataset: a name in ``STATISTICS`` takes the published numbers, if it has as many
        channels; otherwise mean and standard deviation are those of ``images``.

    Returns:
      ``Standardize`` or ``ZCA``: callable on uint8, with ``inverse``.

    Raises:
      ValueError: an unknown kind, or no images.
    """
    if kind not in _KINDS:
        raise ValueError(f"preprocessing is one of {', '.join(_KINDS)}, got {kind!r}")
    if len(images) == 0:
        raise ValueError("preprocessing cannot be fitted to no images")
    if kind == "zca":
        return _fit_zca(images)
    published = STATISTICS.get(dataset or "")
    if published is not None and len(published[0]) == images.shape[-1]:
        return Standardize(*(np.asarray(s, np.float32) for s in published))
    pixels = images.reshape(-1, images.shape[-1])
    mean, std = (f(axis=0, dtype=np.float64) / 255 for f in (pixels.mean, pixels.std))
    return Standardize(mean.astype(np.float32), np.maximum(std, 1 / 255).astype(np.float32))


def _fit_zca(images):
    """ZCA with W = U (S + .1)^(-1/2) Uᵀ from the unbiased covariance of [0, 1] pixels."""
    flat = images.reshape(len(images), -1)
    mean = flat.mean(axis=0, dtype=np.float64) / 255
    covariance = np.zeros((flat.shape[1], flat.shape[1]))
    for begin in range(0, len(flat), 4096):
        centred = flat[begin : begin + 4096] / 255 - mean
        covariance += centred.T @ centred
    values, vectors = np.linalg.eigh(covariance / max(len(flat) - 1, 1))
    roots = np.sqrt(np.maximum(values, 0) + ZCA_EPSILON)
    whiten, unwhiten = ((vectors * r) @ vectors.T for r in (1 / roots, roots))
    return ZCA(*(a.astype(np.float32) for a in (mean, whiten, unwhiten)))


def preprocessing_from_arrays(kind: str, arrays: Mapping[str, ArrayLike]) -> Preprocessing:
    """The inverse of ``(p.kind, p._asdict())``: how a preprocessing is stored.

    Raises:
      ValueError: an unknown kind, or arrays that are not those of that kind.
    """
    cls = _KINDS.get(kind)
    if cls is None or set(arrays) != set(cls._fields):
        raise ValueError(f"no preprocessing {kind!r} has the arrays {sorted(arrays)}")
    return cls(**{name: np.asarray(a, np.float32) for name, a in arrays.items()})
