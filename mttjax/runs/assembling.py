"""From settings and data to the method that the outer loop runs."""

from functools import partial

import jax
import numpy as np

from mttjax.config.methods import (
    Condense,
    Condensing,
    Labels,
    LearnLabels,
    LearnThrough,
    Meta,
    part_of,
)
from mttjax.core.augmentation import dsa
from mttjax.core.networks import in_bfloat16
from mttjax.core.selection import random_selection
from mttjax.core.synthetic import make_synthetic, one_hot_labels
from mttjax.core.training import cache_chunk, divisor_up_to
from mttjax.distilling.condensing import condensing
from mttjax.distilling.dd import dd
from mttjax.distilling.ld import ld
from mttjax.distilling.mtt import mtt
from mttjax.distilling.pairs import PairSource
from mttjax.distilling.real_batches import ClassBatches, MixedBatches
from mttjax.system.errors import InputError

__all__ = ["assemble"]


def assemble(settings, dataset, network, preprocessing, store):
    """The ``Method`` that the settings describe.

    Args:
      settings: a ``Settings`` of a method that learns.
      dataset: a ``Dataset``.
      network: a ``Network``.
      preprocessing: that of the real images.
      store: the ``ExpertStore``; read by MTT only.

    Raises:
      InputError: settings that do not fit each other, the data or the store.
    """
    distill, method = settings.distill, type(settings.distill)
    synthetic = _initial(settings, dataset, preprocessing)
    if method is Condense:
        return _condensing(settings, synthetic, dataset, network, preprocessing)
    if method in (LearnThrough, LearnLabels):
        batches = MixedBatches(*dataset.train, size=distill.real_batch, seed=settings.seed)
        kind, function = (Meta, dd) if method is LearnThrough else (Labels, ld)
        return function(
            synthetic,
            batches,
            network=network,
            preprocessing=preprocessing,
            settings=part_of(distill, kind),
            chunk=_piece(settings, dataset, network),
        )
    return _mtt(settings, synthetic, network, store)


def _condensing(settings, synthetic, dataset, network, preprocessing):
    classes, distill = dataset.n_classes, settings.distill
    if distill.classes_at_once < 1 or classes % distill.classes_at_once:
        raise InputError(
            f"--distill.classes-at-once {distill.classes_at_once}: must divide the {classes} "
            "classes"
        )
    batches = ClassBatches(*dataset.train, classes, size=distill.real_batch, seed=settings.seed)
    siamese = partial(dsa, ops=settings.ops, siamese=True) if settings.ops else None
    return condensing(
        synthetic,
        batches,
        network=network,
        preprocessing=preprocessing,
        augment=siamese,
        settings=part_of(distill, Condensing),
        chunk=_piece(settings, dataset, network),
    )


def _mtt(settings, synthetic, network, store):
    distill = settings.distill
    pairs = PairSource(
        store,
        jax.eval_shape(network.init, jax.random.key(0)),
        expert_epochs=distill.expert_epochs,
        max_start=distill.max_start,
        experts=settings.experts.count,
        seed=settings.seed,
        count=distill.trajectories,
    )
    return mtt(
        synthetic,
        pairs,
        apply=in_bfloat16(network.apply) if distill.precision == "bfloat16" else network.apply,
        augment=partial(dsa, ops=settings.ops) if settings.ops else None,
        matching=distill.matching(),
        chunk=_student_chunk(settings, synthetic, network),
    )


def _student_chunk(settings, synthetic, network):
    """How many images of a student's minibatch are computed at once; None for all."""
    n, *shape = synthetic.images.shape
    batch, chunk = settings.distill.batch or n, settings.distill.chunk
    if batch > n:
        raise InputError(
            f"--distill.batch {batch}: there are {n} synthetic images; take a divisor of {n}"
        )
    if chunk is None:
        return divisor_up_to(batch, _fitting(network, shape))
    if chunk < 1 or batch % chunk or not network.per_image:
        raise InputError(
            f"--distill.chunk {chunk}: must divide the minibatch of {batch} images, and the "
            "network have no batch norm"
        )
    return chunk


def _piece(settings, dataset, network):
    """How many real images are computed at once; None for all."""
    chunk = settings.distill.chunk
    if chunk is None:
        return _fitting(network, dataset.image_shape)
    if chunk < 1 or not network.per_image:
        raise InputError(
            f"--distill.chunk {chunk}: must be at least 1, and the network have no batch norm"
        )
    return chunk


def _fitting(network, shape):
    """What fits a CPU's caches; all where a network must see a batch as a whole."""
    return cache_chunk(shape, jax.default_backend()) if network.per_image else None


def _initial(settings, dataset, preprocessing):
    """The synthetic set before the first step, decided by the seed and ipc."""
    images, labels = dataset.train
    classes, ipc, distill = dataset.n_classes, settings.ipc, settings.distill
    rng = np.random.default_rng([settings.seed, ipc])
    try:
        if distill.initial == "noise":
            first = rng.standard_normal((ipc * classes, *images.shape[1:]), np.float32)
        else:
            chosen = random_selection(rng, labels, ipc=ipc, classes=classes)
            first = preprocessing(images[chosen])
    except ValueError as error:
        raise InputError(f"--ipc {ipc}: {error}") from error
    own_labels = one_hot_labels(ipc, classes)
    if isinstance(distill, LearnLabels):
        own_labels = np.full_like(own_labels, 1 / classes)
    rates = (
        np.full(ipc * distill.passes, distill.lr)
        if isinstance(distill, LearnThrough)
        else distill.lr
    )
    return make_synthetic(first, own_labels, rates)
