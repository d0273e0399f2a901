"""From a problem to the method that the outer loop runs."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.config.methods import DD, LD, MTT, Condensation
from mttjax.core.augmentation import dsa
from mttjax.core.decoding import AS_LEARNED, encode_dct, encode_tiles
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
from mttjax.distilling.widening import Widening
from mttjax.runs.initial import begun_set
from mttjax.runs.opinions import ExpertOpinion
from mttjax.runs.problem import Problem
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.team import ALONE, Team

__all__ = ["assemble", "initial_set"]


def assemble(problem: Problem, team: Team = ALONE) -> Method:
    """The ``Method`` that the settings describe; they are of a method that learns.

    Args:
      problem: what is solved.
      team: the processes that share the trajectories of MTT; no other method has any.

    Raises:
      InputError: settings that do not fit each other, the data, the experts or the devices.
    """
    settings, distill = problem.settings, problem.settings.distill
    if isinstance(distill, MTT):
        return _mtt(problem, team)
    synthetic = initial_set(problem)
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


def _mtt(problem, team):
    settings, distill, network = problem.settings, problem.settings.distill, problem.network
    synthetic, decode = _first_learned(problem)
    window = _window(problem, team)
    pairs = ExpertPairs(
        problem.store,
        network.shapes,
        expert_epochs=distill.expert_epochs,
        max_start=distill.max_start,
        window=window,
        experts=settings.experts.count,
        seed=settings.seed,
        count=distill.trajectories,
        own=team.own(distill.trajectories),
    )
    method = mtt(
        synthetic,
        pairs,
        apply=network.apply,
        augment=partial(dsa, ops=settings.ops) if settings.ops else None,
        settings=distill,
        chunk=_student_chunk(distill, len(decode(synthetic).images), network),
        decode=decode,
        team=team,
    )
    return method._replace(listener=window) if isinstance(window, Widening) else method


def _window(problem, team):
    distill = problem.settings.distill
    if distill.growth != "auto":
        return distill.window
    if team.count > 1:
        raise InputError(
            "distill.growth is auto: the epochs to start at follow from losses, which only the "
            "first of several processes keeps; give an epoch and a number of steps, or leave out "
            "--distributed"
        )
    path = problem.settings.run_folder / "metrics.jsonl"
    return Widening(distill.min_start, distill.max_start, path)


def _student_chunk(distill, n, network):
    """How many images of a student's minibatch are computed at once, out of n; None for all."""
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


def _first_learned(problem):
    """What MTT learns before the first step, and its decoder."""
    distill, classes = problem.settings.distill, problem.dataset.n_classes
    ipc = problem.settings.ipc * distill.images_of_one
    begun = begun_set(problem, ipc, even=distill.decoder != "none")
    images, labels = _first(problem, ipc, begun)
    labels_part: Any = AS_LEARNED.labels
    if distill.labels == "learned":
        if begun and begun.is_soft:
            labels = np.log(np.maximum(labels, 1e-6))
        else:
            labels = ExpertOpinion(problem).mean_logits(images, labels.argmax(axis=1))
        labels_part = jax.nn.softmax
    try:
        learned, decode = images, AS_LEARNED
        if distill.decoder == "tiles":
            learned, decode = encode_tiles(images, distill.factor)
        if distill.decoder == "dct":
            learned, decode = encode_dct(images, classes, distill.factor)
    except ValueError as error:
        raise InputError(str(error)) from error
    rate = begun.lr if begun else distill.lr
    synthetic = make_synthetic(images, labels, rate)._replace(images=learned)
    return synthetic, dataclasses.replace(decode, labels=labels_part)


def initial_set(problem: Problem) -> Synthetic:
    """The synthetic set before the first step, decided by the seed and ipc.

    Raises:
      InputError: a class with fewer real images than are wanted of it, or a set to go on from
        that does not fit.
    """
    settings, distill = problem.settings, problem.settings.distill
    classes, ipc = problem.dataset.n_classes, settings.ipc
    begun = begun_set(problem, ipc, even=not isinstance(distill, LD))
    first, targets = _first(problem, ipc, begun)
    if isinstance(distill, LD) and not begun:
        targets = np.full_like(targets, 1 / classes)
    rates: Any = begun.lr if begun else distill.lr
    if isinstance(distill, DD):
        steps = ipc * distill.passes
        of_steps = begun.rates if begun else None
        rates = of_steps if of_steps and len(of_steps) == steps else np.full(steps, rates)
    return make_synthetic(first, targets, rates)


def _first(problem, ipc, begun):
    """(images [N, H, W, C] normalised, labels [N, K]), class by class."""
    if begun is not None:
        return begun.images, begun.labels
    return _first_images(problem, ipc), one_hot_labels(ipc, problem.dataset.n_classes)


def _first_images(problem, ipc):
    """[ipc·K, H, W, C] normalised, class by class."""
    settings, (images, labels) = problem.settings, problem.dataset.train
    classes, initial = problem.dataset.n_classes, settings.distill.initial
    rng = seeds.rng("initial_images", settings.seed, ipc)
    if initial == "noise":
        return jnp.asarray(rng.standard_normal((ipc * classes, *images.shape[1:]), np.float32))
    if initial == "correct":
        return problem.preprocessing(images[ExpertOpinion(problem).known_images(rng, ipc)])
    try:
        chosen = random_selection(rng, labels, ipc=ipc, classes=classes)
    except ValueError as error:
        raise InputError(f"{error}, or noise as initial images") from error
    return problem.preprocessing(images[chosen])
