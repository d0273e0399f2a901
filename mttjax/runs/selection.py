"""Selecting real images as the settings say, by what the experts tell of them."""

from typing import Any

import jax
import numpy as np

from mttjax.core.selection import forgetting, forgetting_counts, herding, k_center, random_selection
from mttjax.runs.networks import Training, train_networks
from mttjax.runs.problem import Log, Problem
from mttjax.system import seeds
from mttjax.system.errors import InputError

__all__ = ["select"]


def select(problem: Problem, log: Log = print) -> tuple[np.ndarray, dict[str, Any]]:
    """The training images that the settings' method takes.

    Args:
      problem: its method is random, herding, k_center or forgetting.
      log: called with a line of text.

    Returns:
      (their indices [ipc·K]; what they were chosen by, JSON values).

    Raises:
      InputError: a class with too few images, or no expert to look at.
    """
    settings, labels = problem.settings, problem.dataset.train.labels
    size = {"ipc": settings.ipc, "classes": problem.dataset.n_classes}
    try:
        if settings.method == "random":
            rng = seeds.rng("random_images", settings.seed, settings.ipc)
            return random_selection(rng, labels, **size), {}
        if settings.method == "forgetting":
            rng = seeds.rng("forgetting", settings.seed, settings.ipc)
            counts, never = _forgotten(problem, log)
            return forgetting(rng, counts, labels, **size), {"never_learned": never}
        epochs = _epochs_of_the_expert(problem)
        log(f"{settings.method} by expert {settings.distill.expert} after {epochs} epochs")
        function = {"herding": herding, "k_center": k_center}[settings.method]
        return function(_features(problem, epochs), labels, **size), {"expert_epochs": epochs}
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"ipc is {settings.ipc}: {error}") from error


def _forgotten(problem, log):
    """[n] how often each training image was forgotten, by all networks together; and the fraction
    that a network never learned."""
    plan = problem.settings.distill
    training = Training(
        "forgetting_networks",
        networks=plan.networks,
        epochs=plan.epochs,
        rates=lambda epoch: plan.network_lr,
        momentum=plan.momentum,
        weight_decay=0.0,
        batch=plan.batch,
        ops=(),
    )
    beside = problem.settings.run_folder.parent / "forgetting"  # the runs of all sizes share it
    trained = train_networks(problem, training, beside, log)
    never = float(np.mean([~network.correct.any(axis=0) for network in trained]))
    log(f"{100 * never:.2f} % of the images were never learned")
    counts = (forgetting_counts(network.correct, plan.never_learned) for network in trained)
    return sum(counts), never


def _epochs_of_the_expert(problem):
    """How many epochs the expert that is looked at has been trained."""
    number = problem.settings.distill.expert
    epochs = problem.store.epochs_done(number) - 1
    if epochs < 1:
        raise InputError(
            f"{problem.store.folder}: no trained expert {number} there for "
            f"{problem.settings.method} to look at. Train some with train_experts, or choose "
            "another expert"
        )
    return epochs


def _features(problem, epochs, batch=500):
    """[n, D] float32: the embedding of every training image, without augmentation."""
    network, preprocessing = problem.network, problem.store.preprocessing
    params = problem.store.load(problem.settings.distill.expert, epochs, network.shapes)
    embed = jax.jit(lambda images: network.layers(params, preprocessing(images)).embedding)
    images = problem.dataset.train.images
    pieces = [embed(images[begin : begin + batch]) for begin in range(0, len(images), batch)]
    return np.concatenate([np.asarray(piece) for piece in pieces])
