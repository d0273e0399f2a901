"""From a problem to the method that the outer loop runs."""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from mttjax.config.methods import DD, LD, MTT, Condensation
from mttjax.core.augmentation import dsa
from mttjax.core.selection import random_selection
from mttjax.core.synthetic import Synthetic, make_synthetic, one_hot_labels
from mttjax.core.training import divisor_up_to, fitting_chunk
from mttjax.distilling.condensing import condensing
from mttjax.distilling.dd import dd
from mttjax.distilling.ld import ld
from mttjax.distilling.method import Method
from mttjax.distilling.mtt import mtt
from mttjax.distilling.pairs import ExpertPairs
from mttjax.distilling.real_batches import ClassBatches, MixedBatches
from mttjax.runs.problem import Problem
from mttjax.system import seeds
from mttjax.system.errors import InputError

__all__ = ["assemble", "initial_set"]


def assemble(problem: Problem) -> Method:
    """The ``Method`` that the settings describe; they are of a method that learns.

    Raises:
      InputError: settings that do not fit each other, the data or the experts.
    """
    settings, distill = problem.settings, problem.settings.distill
    synthetic = initial_set(problem)
    if isinstance(distill, MTT):
        return _mtt(problem, synthetic)
    how: dict[str, Any] = {"network": problem.network, "preprocessing": problem.preprocessing}
    how |= {"settings": distill, "chunk": _real_chunk(problem)}
    if isinstance(distill, Condensation):
        return _condensing(problem, synthetic, how)
    size, seed = distill.real_batch, settings.seed
    batches = MixedBatches(*problem.dataset.train, size=size, seed=seed)
    if isinstance(distill, DD):
        return dd(synthetic, batches, **how)
    return ld(synthetic, batches, seed=seed, **how)


def _condensing(problem, synthetic, how):
    settings, distill, dataset = problem.settings, problem.settings.distill, problem.dataset
    classes, at_once = dataset.n_classes, distill.classes_at_once
    if classes % at_once:
        raise InputError(f"classes_at_once is {at_once}: must divide the {classes} classes")
    size, seed = distill.real_batch, settings.seed
    batches = ClassBatches(*dataset.train, classes, size=size, seed=seed)
    augment = partial(dsa, ops=settings.ops) if settings.ops else None
    siamese = partial(augment, siamese=True) if augment else None
    return condensing(synthetic, batches, siamese=siamese, augment=augment, **how)


def _mtt(problem, synthetic):
    settings, distill, network = problem.settings, problem.settings.distill, problem.network
    pairs = ExpertPairs(
        problem.store,
        network.shapes,
        expert_epochs=distill.expert_epochs,
        max_start=distill.max_start,
        experts=settings.experts.count,
        seed=settings.seed,
        count=distill.trajectories,
    )
    return mtt(
        synthetic,
        pairs,
        apply=network.apply,
        augment=partial(dsa, ops=settings.ops) if settings.ops else None,
        settings=distill,
        chunk=_student_chunk(distill, synthetic, network),
    )


def _student_chunk(distill, synthetic, network):
    """How many images of a student's minibatch are computed at once; None for all."""
    n = len(synthetic.images)
    batch, chunk = distill.batch or n, distill.chunk
    if batch > n:
        raise InputError(f"batch is {batch}: there are {n} synthetic images; take a divisor of {n}")
    if chunk is None:
        return divisor_up_to(batch, fitting_chunk(network))
    if batch % chunk or not network.per_image:
        raise InputError(
            f"chunk is {chunk}: must divide the minibatch of {batch} images, and the network have "
            "no batch norm"
        )
    return chunk


def _real_chunk(problem):
    """How many real images are computed at once; None for all."""
    chunk, network = problem.settings.distill.chunk, problem.network
    if chunk is None:
        return fitting_chunk(network)
    if not network.per_image:
        raise InputError(f"chunk is {chunk}: the network must have no batch norm")
    return chunk


def initial_set(problem: Problem) -> Synthetic:
    """The synthetic set before the first step, decided by the seed and ipc.

    Raises:
      InputError: a class with fewer real images than are wanted of it.
    """
    settings, (images, labels) = problem.settings, problem.dataset.train
    classes, ipc, distill = problem.dataset.n_classes, settings.ipc, settings.distill
    rng = seeds.rng("initial_images", settings.seed, ipc)
    if distill.initial == "noise":
        first = jnp.asarray(rng.standard_normal((ipc * classes, *images.shape[1:]), np.float32))
    else:
        try:
            chosen = random_selection(rng, labels, ipc=ipc, classes=classes)
        except ValueError as error:
            raise InputError(f"{error}, or noise as initial images") from error
        first = problem.preprocessing(images[chosen])
    targets = one_hot_labels(ipc, classes)
    if isinstance(distill, LD):
        targets = np.full_like(targets, 1 / classes)
    rates = np.full(ipc * distill.passes, distill.lr) if isinstance(distill, DD) else distill.lr
    return make_synthetic(first, targets, rates)
