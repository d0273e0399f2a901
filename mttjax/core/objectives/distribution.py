"""Matching the distribution of features at one set of parameters: DM and CAFE."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.checks import check_images, check_mask
from mttjax.core.networks.layers import Layers
from mttjax.core.objectives.gradient import augment_alike
from mttjax.core.types import Augment, Params
from mttjax.core.unrolling import soft_cross_entropy

__all__ = ["feature_alignment_loss", "mean_feature_loss"]

EARLY_BLOCKS = 0.1  # the weight of all blocks but the last
DISCRIMINATION = 0.01  # the weight of the cross entropy


def mean_feature_loss(
    images: jax.Array,
    params: Params,
    real_images: jax.Array,
    *,
    embed: Callable[[Params, jax.Array], jax.Array],
    augment: Augment | None = None,
    key: jax.Array | None = None,
    real_mask: jax.Array | None = None,
) -> jax.Array:
    """‖mean f(ω(real)) - mean f(ω(images))‖² for the images of one class.

    Zhao & Bilen, "Dataset Condensation with Distribution Matching", WACV 2023, with
    the mean of the real features a constant. The method sums this over the classes,
    each with its own key, at the parameters of a fresh network: the caller's loop or ``vmap``.

    Args:
      images: [n, H, W, C] floating, the synthetic images of the class.
      params: any pytree that ``embed`` takes.
      real_images: [R, H, W, C] floating, normalised. The real side carries no gradient.
      embed: f, ``embed(params, images [B, H, W, C]) -> [B, D]``: the network up to its
        last layer.
      augment: ω, ``augment(key, images) -> images``, siamese; such as ``mttjax.dsa`` with
        ``siamese=True``. None: no augmentation.
      key: a JAX random key, needed if ``augment`` is.
      real_mask: [R] bool, at least one of them True: which of the real images count; the rest
        fill up a batch whose size is fixed. The network must then treat each image by itself.
        None: all.

    Returns:
      [].

    Raises:
      ValueError: shapes that do not fit, or ``augment`` without a key.
    """
    check_images("synthetic", images)
    check_images("real", real_images)
    check_mask(real_mask, jnp.shape(real_images)[:1])
    images, real_images = augment_alike(images, real_images, augment, key)
    real = jax.lax.stop_gradient(embed(params, real_images))
    synthetic = embed(params, images)
    counts = None if real_mask is None else real_mask[:, None]
    return jnp.sum(jnp.square(jnp.mean(real, axis=0, where=counts) - jnp.mean(synthetic, axis=0)))


def feature_alignment_loss(
    images: jax.Array,
    params: Params,
    real_images: jax.Array,
    *,
    layers: Callable[[Params, jax.Array], Layers],
    augment: Augment | None = None,
    key: jax.Array | None = None,
    real_mask: jax.Array | None = None,
) -> jax.Array:
    """CAFE's loss: class means of features aligned layer by layer, and told apart.

    Wang et al., "CAFE: Learning to Condense Dataset by Aligning Features", CVPR 2022:

        Σ_{l<L} .1·M_l + M_L + M_pool + M_flat + .01·CE,

    with M_l the squared error, summed over classes and elements, between the mean features
    of a class of real and of synthetic images after the ReLU of block l; M_pool and M_flat
    that of the last pool and of its flattening, the same numbers, so 2·M(embedding); CE
    the sum over the real images of the cross entropy of ⟨f(real), mean_k f(images)⟩ over
    the classes k, f being the embedding; a sum as in the published code.

    Different from the published code:

    - One augmentation is drawn for all classes; there one for every class.
    - Any number of classes and blocks; there ten and three, and images of 32×32×3.
    - The real images' own cross entropy, a constant in the images, is left out.
    - Its loops around this end by running accuracies; ``condensing`` has fixed ones.

    Args:
      images: [K, n, H, W, C] floating, the synthetic images, class by class.
      params: any pytree that ``layers`` takes.
      real_images: [K, R, H, W, C] floating, normalised. They carry no gradient.
      layers: ``layers(params, images [B, H, W, C]) -> (blocks, embedding)``: a tuple of
        [B, H', W', C'] after each block's ReLU, and f, the last pool flattened to [B, D].
      augment: ``augment(key, images) -> images``, siamese: one draw for all classes and
        both sides; such as ``mttjax.dsa`` with ``siamese=True``. None: no augmentation.
      key: a JAX random key, needed if ``augment`` is.
      real_mask: [K, R] bool, at least one True in each row: which of the real images count; the
        rest fill up a batch whose size is fixed. The network must then treat each image by
        itself. None: all.

    Returns:
      [].

    Raises:
      ValueError: shapes that do not fit, or ``augment`` without a key.
    """
    classes, reals = _check_classes(images, real_images)
    check_mask(real_mask, (classes, reals))
    images, real_images = (x.reshape(-1, *x.shape[2:]) for x in (images, real_images))
    images, real_images = augment_alike(images, real_images, augment, key)
    real_blocks, real = jax.lax.stop_gradient(layers(params, real_images))
    blocks, synthetic = layers(params, images)

    def means(features, mask=None):
        of_class = features.reshape(classes, -1, *features.shape[1:])
        counts = None if mask is None else mask.reshape(classes, -1, *(1,) * features[0].ndim)
        return jnp.mean(of_class, axis=1, where=counts)

    def error(a, b):
        return jnp.sum(jnp.square(means(a, real_mask) - means(b)))

    *early, last = map(error, real_blocks, blocks)
    aligned = EARLY_BLOCKS * sum(early) + last + 2 * error(real, synthetic)
    labels = jnp.repeat(jnp.eye(classes, dtype=real.dtype), reals, axis=0)
    if real_mask is not None:
        labels *= real_mask.reshape(-1, 1)
    logits = jnp.matmul(real, means(synthetic).T, precision=lax.Precision.HIGHEST)
    told_apart = len(real) * soft_cross_entropy(logits, labels)
    return aligned + DISCRIMINATION * told_apart


def _check_classes(images, real_images):
    """(K, R) of images [K, n, H, W, C] and real images [K, R, H, W, C]."""
    shapes = jnp.shape(images), jnp.shape(real_images)
    if [len(s) for s in shapes] != [5, 5] or shapes[0][0] != shapes[1][0] or 0 in sum(shapes, ()):
        raise ValueError(
            "CAFE needs images [K, n, H, W, C] and real images [K, R, H, W, C], at least one of "
            f"each of all K classes, got shapes {shapes[0]} and {shapes[1]}"
        )
    return shapes[1][:2]
