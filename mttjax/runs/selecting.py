"""Selecting real images as the settings say, by what the experts tell of them."""

import jax
import numpy as np

from mttjax.core.networks import make_network
from mttjax.core.selection import forgetting, forgetting_counts, herding, k_center, random_selection
from mttjax.experts.recipe import recipe_record
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError

__all__ = ["select"]


def select(settings, dataset, log=print):
    """The indices [ipc·K] of the training images that the settings' method takes.

    Args:
      settings: a ``Settings`` whose method is random, herding, k_center or forgetting.
      dataset: a ``Dataset``.
      log: called with a line of text.

    Raises:
      InputError: a class with too few images, or no expert to look at.
    """
    labels = dataset.train.labels
    size = {"ipc": settings.ipc, "classes": dataset.n_classes}
    try:
        if settings.method == "random":
            rng = np.random.default_rng([settings.seed, settings.ipc])
            return random_selection(rng, labels, **size)
        store, epochs = _expert(settings, dataset)
        log(f"{settings.method} by expert {settings.distill.expert} after {epochs} epochs")
        if settings.method == "forgetting":
            correct = store.correct(settings.distill.expert, epochs)
            return forgetting(forgetting_counts(correct), labels, **size)
        function = {"herding": herding, "k_center": k_center}[settings.method]
        return function(_features(settings, dataset, store, epochs), labels, **size)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"--ipc {settings.ipc}: {error}") from error


def _expert(settings, dataset):
    """The store, and how many epochs its expert has been trained."""
    number = settings.distill.expert
    store = ExpertStore(settings.expert_folder)
    epochs = store.epochs_done(number) - 1
    if epochs < 1:
        raise InputError(
            f"{settings.expert_folder}: no trained expert {number} there for {settings.method} to "
            f"look at. Train some with: bin/train_experts --config {settings.name}, or choose "
            "another by --distill.expert"
        )
    store.require(recipe_record(settings.recipe(), dataset))
    return store, epochs


def _features(settings, dataset, store, epochs, batch=500):
    """[n, D] float32: the embedding of every training image, without augmentation."""
    network = make_network(settings.network, dataset.image_shape, dataset.n_classes)
    like = jax.eval_shape(network.init, jax.random.key(0))
    params, preprocessing = store.load(settings.distill.expert, epochs, like), store.preprocessing
    embed = jax.jit(lambda images: network.layers(params, preprocessing(images)).embedding)
    images = dataset.train.images
    pieces = [embed(images[begin : begin + batch]) for begin in range(0, len(images), batch)]
    return np.concatenate([np.asarray(piece) for piece in pieces])
