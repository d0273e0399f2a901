"""Matching gradients at one set of parameters: DC, and DSA with its augmentation."""

import jax
import jax.numpy as jnp

from mttjax.core.checks import check_alike, check_chunk, check_images, check_key, check_mask
from mttjax.core.types import Apply, Augment, Params
from mttjax.core.unrolling import value_and_grad_in_chunks

__all__ = ["gradient_distance", "gradient_match_loss"]

EPSILON = 1e-6  # beside the product of norms, as in the published code


def gradient_distance(a: Params, b: Params) -> jax.Array:
    """Σ over weights, Σ over output channels, of 1 - cosine of the two gradients' rows.

    Zhao, Mopuri & Bilen, "Dataset Condensation with Gradient Matching", ICLR 2021,
    with the published code's cosine ⟨a, b⟩ / (‖a‖‖b‖ + 1e-6). The row of an output channel
    is everything that leads to it: a kernel is [h, w, in, out] or [in, out] here, so a
    channel is an index of the *last* axis. Leaves of fewer than two dimensions, biases and
    the scales of norms, do not count.

    Args:
      a, b: gradients in one network's parameters, pytrees of floating arrays.

    Returns:
      [], from 0 to twice the number of output channels. Differentiable in both; at a row
      of zeros the norm's derivative is taken as zero.

    Raises:
      ValueError: trees or shapes that differ, or no leaf of two or more dimensions.
    """
    check_alike(a, b, "gradients")
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    distances = [_channel_distances(x, y) for x, y in pairs if jnp.ndim(x) >= 2]
    if not distances:
        raise ValueError("gradients have no leaf of two or more dimensions to compare")
    return sum(distances[1:], distances[0])


def _channel_distances(a, b):
    a, b = (x.reshape(-1, x.shape[-1]) for x in (a, b))
    cosines = jnp.sum(a * b, axis=0) / (_column_norms(a) * _column_norms(b) + EPSILON)
    return jnp.sum(1 - cosines)


def _column_norms(x):
    squares = jnp.sum(x * x, axis=0)
    # The inner choice keeps the infinite slope of √0 out of the derivative of the outer.
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)


def gradient_match_loss(
    images: jax.Array,
    labels: jax.Array,
    params: Params,
    real_images: jax.Array,
    real_labels: jax.Array,
    *,
    apply: Apply,
    augment: Augment | None = None,
    key: jax.Array | None = None,
    chunk: int | None = None,
    real_mask: jax.Array | None = None,
) -> jax.Array:
    """``gradient_distance`` of the gradients of real and of synthetic images of one class.

        D(∇_θ CE(apply(θ, ω(real)), real_labels), ∇_θ CE(apply(θ, ω(images)), labels)).

    Zhao, Mopuri & Bilen, ICLR 2021 (DC: ω the identity); Zhao & Bilen, "Dataset
    Condensation with Differentiable Siamese Augmentation", ICML 2021 (DSA: ω one draw of
    ``augment``, the same on both sides). The methods sum this over the classes, each with
    its own key: the caller's loop or ``vmap``.

    Args:
      images: [n, H, W, C] floating, the synthetic images of the class.
      labels: [n, K] probabilities.
      params: θ, a pytree of floating arrays.
      real_images: [R, H, W, C] floating, normalised. The real side carries no gradient.
      real_labels: [R, K] probabilities.
      apply: ``apply(params, images [B, H, W, C]) -> logits [B, K]``.
      augment: ``augment(key, images) -> images``, siamese: what it does may depend on the
        key, not on the number of images; such as ``mttjax.dsa`` with ``siamese=True``.
        None: no augmentation.
      key: a JAX random key, needed if ``augment`` is.
      chunk: the real gradient is summed over chunks of so many images, a divisor of R;
        the network must then treat each image by itself. None: all at once.
      real_mask: [R] bool, at least one of them True: which of the real images count; the rest
        fill up a batch whose size is fixed. The network must then treat each image by itself.
        None: all.

    Returns:
      [], see ``gradient_distance``.

    Raises:
      ValueError: shapes that do not fit, ``augment`` without a key, or a chunk that does
        not divide R.
    """
    check_images("synthetic", images, labels)
    check_images("real", real_images, real_labels)
    check_chunk(chunk, len(real_images), "real images")
    check_mask(real_mask, jnp.shape(real_images)[:1])
    if real_mask is not None:  # a cross entropy is linear in its labels
        real_labels *= (real_mask / jnp.mean(real_mask, dtype=real_labels.dtype))[:, None]
    images, real_images = augment_alike(images, real_images, augment, key)
    (_, real), _ = value_and_grad_in_chunks(apply, params, real_images, real_labels, chunk)
    (_, synthetic), _ = value_and_grad_in_chunks(apply, params, images, labels)
    return gradient_distance(jax.lax.stop_gradient(real), synthetic)


def augment_alike(images, real_images, augment, key):
    """Both batches augmented with one key, or as they are where ``augment`` is None."""
    if jnp.shape(images)[1:] != jnp.shape(real_images)[1:]:
        raise ValueError(
            "synthetic and real images must have one shape [H, W, C], got batches of shape "
            f"{jnp.shape(images)} and {jnp.shape(real_images)}"
        )
    check_key(augment, key)
    if augment is None:
        return images, real_images
    return augment(key, images), augment(key, real_images)
