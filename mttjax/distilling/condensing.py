"""DC, DSA, DM and CAFE: real and synthetic images matched at one network's parameters."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from mttjax.config.methods import Condensation
from mttjax.core.networks import Network
from mttjax.core.objectives.distribution import feature_alignment_loss, mean_feature_loss
from mttjax.core.objectives.gradient import gradient_match_loss
from mttjax.core.preprocessing import ZCA, Standardize
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import TrainState, divisor_up_to, make_epoch, sgd
from mttjax.core.types import Augment
from mttjax.distilling.method import Drawn, Method, pure_method
from mttjax.distilling.real_batches import ClassBatches
from mttjax.distilling.step import Slope, field_optimiser
from mttjax.system.errors import InputError

__all__ = ["condensing"]

NETWORK_BATCH = 256


class Context(NamedTuple):
    """What a step is given."""

    real: np.ndarray
    """[K, R, H, W, C] uint8."""
    fresh: np.ndarray
    """[] bool: a new network begins with this step."""
    trained: np.ndarray
    """[] bool: the network is trained after it; not where the next step has a new one."""


def condensing(
    synthetic: Synthetic,
    batches: ClassBatches,
    *,
    network: Network,
    preprocessing: Standardize | ZCA,
    siamese: Augment | None,
    augment: Augment | None,
    settings: Condensation,
    chunk: int | None = None,
) -> Method:
    """DC, DSA, DM or CAFE as a method of the loop.

    A step moves the images once. A network lives for ``image_steps`` of them and is
    trained on the synthetic images in between, which never happens where it is 1.

    Zhao, Mopuri & Bilen, ICLR 2021 (DC); Zhao & Bilen, ICML 2021 (DSA); Zhao & Bilen, WACV
    2023 (DM); Wang et al., CVPR 2022 (CAFE). As in their codes, the losses of all classes at one
    network are summed, and the images take one step down the sum. Different from them:

    - Batch norm normalises the images of a class by themselves. DC and DSA freeze it at the
      statistics of 16 real images of every class, DM gives it all classes in one batch.
    - DC and DSA run 1000 networks, and CAFE 2000, where their codes run one more.
    - Numbers of images per class without published loops take those of the nearest below.
    - CAFE's loops are fixed: DC's from 10 images per class, and at 1 ten steps of the images with
      ten epochs between them, the fewest that its code can take. There they end by running
      accuracies.
    - CAFE's loss: see ``feature_alignment_loss``.

    Args:
      synthetic: the ``Synthetic`` to begin with, class by class; N = K·ipc.
      batches: ``ClassBatches``.
      network: a ``Network``.
      preprocessing: uint8 images to normalised ones.
      siamese: ``siamese(key, images)``, the same for all images, where real and synthetic ones
        are matched; or None.
      augment: ``augment(key, images)``, every image by itself, where the network is trained on
        the synthetic ones; or None.
      settings: a ``Condensation``.
      chunk: images at once where a real gradient is summed and a network trained, or None.

    Returns:
      A ``Method`` whose contexts are ``Context``.

    Raises:
      InputError: classes of fewer than R images for a network with batch norm.
    """
    _check_norm(network, batches.mask)
    if not settings.augmented:
        siamese = augment = None
    loss_and_slope = _over_classes(network, siamese, settings, chunk, batches.mask)
    train = _trainer(network, augment, settings, chunk)

    def draw(step):
        place = step % settings.image_steps
        fresh, trained = np.bool_(place == 0), np.bool_(place + 1 < settings.image_steps)
        return Drawn(Context(batches.draw(step).context, fresh, trained), {})

    def gradient(synthetic, params, context, key):
        network_key, matching_key = jax.random.split(key)
        params = lax.cond(context.fresh, network.init, lambda _: params, network_key)
        loss, slope = loss_and_slope(synthetic, params, preprocessing(context.real), matching_key)
        still = jax.tree.map(jnp.zeros_like, synthetic)
        return Slope(loss, jnp.float32(jnp.nan), still._replace(images=slope)), params

    def advance(params, synthetic, context, key):
        if settings.image_steps == 1:
            return params
        return lax.cond(context.trained, train, lambda p, *_: p, params, synthetic, key)

    rate = optax.piecewise_constant_schedule(settings.lr_img, dict.fromkeys(settings.halve_at, 0.5))
    optimiser = field_optimiser(images=optax.sgd(rate, momentum=settings.momentum or None))
    return pure_method(
        synthetic,
        draw,
        gradient=gradient,
        optimiser=optimiser,
        advance=advance,
        carry=jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), network.shapes),
        remedies=f"Lower lr_img ({settings.lr_img:g}) tenfold",
    )


def _check_norm(network, mask):
    """What fills up the batch of a small class must not be seen by the others."""
    if mask is not None and not network.per_image:
        small = int(np.argmin(mask.sum(axis=1)))
        least = int(mask[small].sum())
        raise InputError(
            f"class {small} has {least} training image{'' if least == 1 else 's'} of the "
            f"{mask.shape[1]} of a batch, and a batch norm would see what fills it up: take "
            f"another norm, or a real_batch of {least}"
        )


def _trainer(network, augment, settings, chunk):
    """The inner loop: ``train(params, synthetic, key) -> params``."""
    epoch = make_epoch(
        network.apply,
        sgd(),
        prepare=lambda images, labels: (images, labels),
        augment=augment,
        batch=NETWORK_BATCH,
        chunk=chunk,
    )

    def train(params, synthetic, key):
        def one(state, key):
            state, _ = epoch(state, key, synthetic.images, synthetic.labels, settings.network_lr)
            return state, None

        state = TrainState(params, sgd().init(params))
        state, _ = lax.scan(one, state, jax.random.split(key, settings.network_epochs))
        return state.params

    return train


def _over_classes(network, augment, settings, chunk, mask):
    """``(synthetic, params, real [K, R, H, W, C], key) -> (loss, gradient by images)``."""

    def embed(params, images):
        piece = divisor_up_to(len(images), chunk) or len(images)
        pieces = images.reshape(-1, piece, *images.shape[1:])
        one = lambda images: network.layers(params, images).embedding
        return lax.map(one, pieces).reshape(len(images), -1) if len(pieces) > 1 else one(images)

    def of_class(images, labels, real, key, mask=None, *, params):
        how = {"augment": augment, "key": key, "real_mask": mask}
        if settings.match == "means":
            return mean_feature_loss(images, params, real, embed=embed, **how)
        real_labels = jnp.broadcast_to(labels[:1], (len(real), labels.shape[1]))
        piece = divisor_up_to(len(real), chunk)
        return gradient_match_loss(
            images, labels, params, real, real_labels, apply=network.apply, chunk=piece, **how
        )

    def run(synthetic, params, real, key):
        classes = len(real)
        images, labels = (x.reshape(classes, -1, *x.shape[1:]) for x in synthetic[:2])
        if settings.match == "layers":
            how = {"augment": augment, "key": key, "real_mask": mask}
            loss = partial(feature_alignment_loss, layers=network.layers, **how)
            value, slope = jax.value_and_grad(loss)(images, params, real)
        else:
            keys = jax.random.split(key, classes)
            value, slope = summed_over_classes(
                partial(of_class, params=params),
                images,
                labels,
                real,
                keys,
                *(() if mask is None else (jnp.asarray(mask),)),
                at_once=settings.classes_at_once,
            )
        return value, slope.reshape(synthetic.images.shape)

    return run


def summed_over_classes(loss, images, *of_class, at_once):
    """Σ_k loss(images_k, …) and its gradient by the images, ``at_once`` classes together.

    Args:
      loss: ``loss(images_k, *of_class_k) -> []`` of one class.
      images: [K, n, H, W, C].
      of_class: arrays with a leading axis of K.
      at_once: a divisor of K; one class at a time is not vmapped.

    Returns:
      (loss [], [K, n, H, W, C]).
    """
    classes = len(images)
    if classes % at_once:
        raise ValueError(f"classes at once ({at_once}) must divide the {classes} classes")
    if at_once == 1:
        values, slopes = lax.map(lambda at: jax.value_and_grad(loss)(*at), (images, *of_class))
        return jnp.sum(values), slopes
    together = lambda *at: jnp.sum(jax.vmap(loss)(*at))
    split = lambda x: x.reshape(-1, at_once, *x.shape[1:])
    groups = jax.tree.map(split, (images, *of_class))
    values, slopes = lax.map(lambda at: jax.value_and_grad(together)(*at), groups)
    return jnp.sum(values), slopes.reshape(images.shape)
