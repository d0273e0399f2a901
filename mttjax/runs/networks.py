"""Networks trained on all real images that are no experts: resumed epoch by epoch, then kept."""

import dataclasses
import json
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mttjax.core.training import sgd
from mttjax.experts.trainer import Trainer
from mttjax.runs.problem import Log, Problem
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
from mttjax.system.progress import progress_bar
from mttjax.system.threads import at_once, in_threads
from mttjax.system.trees import load_tree, save_tree

__all__ = ["TrainedNetwork", "Training", "train_networks"]


class Training(NamedTuple):
    """How a network is trained on all real images, by SGD."""

    stream: str
    """Of ``system.seeds``: decides initialisations, orders and augmentations."""
    networks: int
    epochs: int
    rates: Callable[[int], float]
    """The learning rate of an epoch."""
    momentum: float
    weight_decay: float
    batch: int
    ops: tuple[str, ...]
    """The operations of DSA; empty for none."""

    def record(self) -> dict[str, Any]:
        """JSON values, with the rate of every epoch."""
        return self._asdict() | {"rates": [self.rates(epoch) for epoch in range(self.epochs)]}


class TrainedNetwork(NamedTuple):
    """A network at the end of its training."""

    accuracy: float
    """On the test images, in [0, 1]."""
    correct: np.ndarray
    """[T, n] bool: which training images were classified correctly, in every epoch, before the
    update that they were part of."""
    seconds: float


def train_networks(
    problem: Problem, training: Training, folder: str | Path, log: Log = print
) -> list[TrainedNetwork]:
    """Trains networks, or finds them trained; each goes on after its last epoch.

    Args:
      problem: the network, the real images, how they are preprocessed, and the seed.
      training: how.
      folder: their states are kept in it, those of other settings or images beside them.
      log: called with a line per network.

    Raises:
      InputError: another process is at work in the folder.
    """
    settings, dataset = problem.settings, problem.dataset
    decided = training.record() | {
        "network": dataclasses.asdict(settings.network),
        "images": [settings.preprocessing, settings.data.statistics, dataset.identity],
        "seed": settings.seed,
    }
    place = Path(folder) / f"{zlib.crc32(json.dumps(decided, sort_keys=True).encode()):08x}"
    optimiser = sgd(momentum=training.momentum, weight_decay=training.weight_decay)
    how = (problem.preprocessing, training.ops, optimiser, training.batch, dataset)
    trainer = Trainer(problem.trained_network, *how)
    train = partial(_train, trainer, problem, training, place, log)
    title = training.stream.replace("_", " ")
    with exclusive(folder), progress_bar(title, training.networks * training.epochs) as bar:
        numbers, devices = range(training.networks), jax.local_devices()
        trained = in_threads(partial(train, bar), numbers, workers=at_once(), devices=devices)
    for number, network in enumerate(trained):
        score = f"{100 * network.accuracy:.2f} % after {training.epochs} epochs"
        log(f"{title}, network {number}: {score}")
    return trained


def _train(trainer, problem, training, place, log, bar, number):
    key = seeds.key(training.stream, problem.settings.seed, number)
    initial, *keys = jax.random.split(key, 1 + training.epochs)
    n, path = len(problem.dataset.train.labels), place / f"network-{number}.npz"
    bits = np.zeros((training.epochs, -(-n // 8)), np.uint8)
    begun = (trainer.state(problem.network.init(initial)), bits, np.int32(0), np.float32(0))
    state, bits, done, seconds = _resumed(path, begun, log)
    bar.advance(int(done))
    for epoch in range(int(done), training.epochs):
        begin = time.perf_counter()
        state, seen = trainer.epoch(state, keys[epoch], training.rates(epoch))
        seconds += np.float32(time.perf_counter() - begin)
        bits[epoch] = np.packbits(np.asarray(seen.correct))
        save_tree(path, (state, bits, np.int32(epoch + 1), seconds))
        bar.advance(1)
    correct = np.unpackbits(bits, axis=1, count=n).astype(bool)
    return TrainedNetwork(trainer.accuracy(state.params), correct, float(seconds))


def _resumed(path, begun, log):
    """What ``path`` holds; a state that is damaged is begun again."""
    try:
        return load_tree(path, jax.eval_shape(lambda: begun)) if path.exists() else begun
    except InputError as error:
        log(f"{error}; this network is trained again from the beginning")
        return begun
