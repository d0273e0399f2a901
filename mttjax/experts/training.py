"""Training experts on the real images, a snapshot after every epoch.

MTT's recipe (Cazenavette et al., CVPR 2022): plain SGD at rate .01, batch 256, DSA; the
whole epoch is one compiled scan on the device.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.flat import Flat
from mttjax.core.networks import make_network
from mttjax.core.preprocessing import fit_preprocessing
from mttjax.core.training import TRAINING_TILE, fitting_tile, sgd
from mttjax.datasets.dataset import Dataset
from mttjax.experts.manifest import MANIFEST_LOCK
from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trainer
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive, in_turn
from mttjax.system.progress import progress_bar
from mttjax.system.signals import Stopped, stop_requested
from mttjax.system.threads import at_once
from mttjax.system.units import do_units

__all__ = ["begin_store", "train_experts"]


def train_experts(
    dataset: Dataset,
    recipe: Recipe,
    folder: str | Path,
    *,
    experts: int,
    epochs: int,
    parallel: int | None = None,
    worker: int | None = None,
    log: Callable[[str], object] = print,
) -> ExpertStore:
    """Trains experts 0 to ``experts - 1`` to ``epochs`` epochs each; goes on where it stopped.

    Args:
      dataset: uint8 images.
      recipe: what decides the experts.
      folder: the store's folder.
      experts: E, at least 1.
      epochs: T, at least 1; epoch 0 is the initialisation.
      parallel: how many to train at once, each in a thread; the snapshots do not depend on
        it. None: one per core on a CPU, else one per device.
      worker: a number: this process is one of several at the store, and trains one at a time of
        the experts that no other is at.
      log: called with a line of text per expert (or group of experts) trained.

    Raises:
      InputError: the folder holds experts of another recipe, or another process is at work in it.
      Incomplete: as a worker, some experts cannot be trained; the others are.
      Stopped: SIGINT or SIGTERM came, or another epoch would not end in time; the one in hand
        was finished and saved.
      ValueError: no experts or no epochs asked for.
    """
    if experts < 1 or epochs < 1:
        raise ValueError(f"at least 1 expert and 1 epoch are needed, got {experts} and {epochs}")
    with exclusive(folder) if worker is None else contextlib.nullcontext():
        store = begin_store(dataset, recipe, folder, log)
        if store.source:
            raise InputError(
                f"{folder}: the experts here were converted from {', '.join(store.source)}, and no "
                "others can go beside them. Train yours in another folder; what is missing of "
                "these, the convert that made them writes again"
            )
        missing = [store.missing(expert, epochs) for expert in range(experts)]
        if any(missing) and worker is None:
            _train(dataset, store, missing, epochs, parallel, log)
        elif any(missing):
            _train_share(dataset, store, missing, epochs, worker, log)
        else:
            log(f"{experts} experts of {epochs} epochs are there already: {store.folder}")
        return store


def begin_store(
    dataset: Dataset, recipe: Recipe, folder: str | Path, log: Callable[[str], object] = print
) -> ExpertStore:
    """The store in a folder, begun by whoever comes first; see ``train_experts``.

    Raises:
      InputError: it holds experts of another recipe.
    """
    with in_turn(Path(folder) / MANIFEST_LOCK):
        store = ExpertStore(folder, log)
        if not store.exists:
            statistics = recipe.statistics or dataset.name
            images = np.ascontiguousarray(dataset.train.images)
            recipe = dataclasses.replace(recipe, tile=fitting_tile(TRAINING_TILE))
            store.create(
                recipe, dataset, fit_preprocessing(recipe.preprocessing, images, dataset=statistics)
            )
    store.require(recipe, dataset)
    return store


def _train_share(dataset, store, missing, epochs, worker, log):
    """Of the experts, one after another, those that no other process is at."""
    train = _Experts(dataset, store)
    total, lacking = len(missing) * (epochs + 1), sum(map(len, missing))
    with progress_bar("experts", total, total - lacking) as bar, stop_requested() as stopped:

        def one(expert):
            with exclusive(store.folder / f"{expert:04d}"):
                store.refresh()
                others = missing[expert]
                if own := store.missing(expert, epochs):
                    train([expert], own, epochs, bar, stopped)
                    accuracy = store.record(expert, epochs)["test_accuracy"]
                    log(f"expert {expert}: test accuracy {100 * accuracy:.2f} %")
                bar.advance(len(others) - len(own))

        units = {f"expert {expert:04d}": partial(one, expert) for expert in range(len(missing))}
        do_units(units, store.folder, lambda *_: None, worker=worker, log=log)


def _train(dataset, store, missing, epochs, parallel, log):
    """``missing``: which of the epochs 0 to ``epochs`` each expert lacks, by its number."""
    train = _Experts(dataset, store)
    parallel = parallel or at_once()
    total, lacking = len(missing) * (epochs + 1), sum(map(len, missing))
    with progress_bar("experts", total, total - lacking) as bar, stop_requested() as stopped:
        for group in _groups(missing, parallel):
            if number := stopped(train.longest):
                raise Stopped(number, f"before expert {group[0]}")
            train(group, missing[group[0]], epochs, bar, stopped)
            last = [store.record(expert, epochs)["test_accuracy"] for expert in group]
            names = f"expert {group[0]}" if len(group) == 1 else f"experts {group[0]}-{group[-1]}"
            log(f"{names}: test accuracy {100 * np.mean(last):.2f} % after {epochs} epochs")


def _groups(missing, parallel):
    """Experts that lack the same epochs, ``parallel`` at a time, those that lack least first."""
    for lacking in sorted(set(map(tuple, missing)), key=lambda lacking: (len(lacking), lacking)):
        numbers = [e for e, epochs in enumerate(missing) if tuple(epochs) == lacking]
        for begin in range(0, len(numbers) if lacking else 0, parallel):
            yield numbers[begin : begin + parallel]


class _Experts:
    """Trains the experts of a store and saves every epoch."""

    def __init__(self, dataset, store):
        self.store, self.recipe = store, store.recipe
        self.longest = 0.0  # seconds of an epoch
        sizes = dataset.image_shape, dataset.n_classes
        self.network = make_network(self.recipe.network, *sizes, tile=self.recipe.tile)
        recipe, seen = self.recipe, (self.network, store.preprocessing)
        flat = Flat(recipe.rho, recipe.alpha) if recipe.flat == "gsam" else None
        self.trainer = Trainer(*seen, recipe.ops, sgd(), recipe.batch, dataset, flat)

    def __call__(self, group, missing, epochs, bar, stopped):
        """Trains the epochs ``missing`` of the experts of a group, and what follows from them."""
        keys = [seeds.key("experts", self.recipe.seed, expert) for expert in group]
        params, missing = None, set(missing)
        for epoch in range(min(missing), epochs + 1):
            begin = time.monotonic()
            if epoch not in missing:
                params = None
                continue
            params = self._before(group, epoch, keys) if params is None else params
            params, records = self._trained(params, keys, epoch)
            same = [
                self.store.save(expert, epoch, p, record=record)
                for expert, p, record in zip(group, params, records, strict=True)
            ]
            if not all(same):  # what was trained from another snapshot does not follow from this
                missing |= set(range(epoch + 1, epochs + 1))
            accuracies = [record.get("test_accuracy", 0) for record in records]
            note = f"expert {group[-1]} epoch {epoch}: test {100 * np.mean(accuracies):.1f} %"
            bar.advance(len(group), note)
            self.longest = max(self.longest, time.monotonic() - begin)
            if epoch < epochs and (number := stopped(self.longest)):
                raise Stopped(number, f"after epoch {epoch} of expert {group[-1]}")

    def _before(self, group, epoch, keys):
        """The parameters that an epoch begins with; those of epoch 0 are what it ends with."""
        if epoch == 0:
            return [self.network.init(jax.random.fold_in(key, 0)) for key in keys]
        return [self.store.load(expert, epoch - 1, self.network.shapes) for expert in group]

    def _trained(self, params, keys, epoch):
        """(parameters, records for the manifest) of every expert after an epoch."""
        if epoch == 0:
            return params, [{}] * len(params)
        begin = time.perf_counter()
        keys = [jax.random.fold_in(key, epoch) for key in keys]
        after = self.trainer.epochs(list(map(self.trainer.state, params)), keys, self.recipe.lr)
        seconds = (time.perf_counter() - begin) / len(keys)
        records = [
            {
                "loss": float(trained.seen.loss),
                "test_accuracy": float(trained.test_accuracy),
                "seconds": seconds,
            }
            for trained in after
        ]
        return [t.state.params for t in after], records
