"""The table's last rows: the network trained on all real images, in two ways."""

import dataclasses
import json
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np

from mttjax.core.training import sgd
from mttjax.experts.store import ExpertStore
from mttjax.experts.training import Trainer
from mttjax.runs.problem import Problem
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, NOT_NEGATIVE, POSITIVE, SHARE_BELOW_ONE, Checked, Range
from mttjax.system.kept import kept
from mttjax.system.locks import exclusive
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_threads
from mttjax.system.trees import load_tree, save_tree, tree_checksum

__all__ = ["FullData", "FullRow", "experts_row", "train_better"]


@dataclasses.dataclass(frozen=True)
class FullData(Checked):
    """The better recipe: momentum, weight decay, and a rate that falls to nothing."""

    networks: Annotated[int, Range(1, 10_000)] = 5
    epochs: Annotated[int, COUNT] = 50
    lr: Annotated[float, POSITIVE] = 0.01
    """To begin with; it falls along half a cosine, epoch by epoch."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    weight_decay: Annotated[float, NOT_NEGATIVE] = 5e-4
    batch: Annotated[int, COUNT] = 256


class FullRow(NamedTuple):
    """Networks trained on all real images."""

    accuracies: list[float]
    """Of every network on the test images, in [0, 1]."""
    epochs: int
    seconds: float
    """Of all networks together."""


def experts_row(store: ExpertStore) -> FullRow | None:
    """The experts' own recipe: those that were trained longest, after their last epoch.

    Returns:
      None where no expert has been trained.
    """
    by_expert = dict(zip(store.numbers(), store.accuracies(), strict=True))
    longest = max((max(epochs, default=0) for epochs in by_expert.values()), default=0)
    last = {expert: epochs[longest] for expert, epochs in by_expert.items() if longest in epochs}
    return FullRow(list(last.values()), longest, store.seconds(last, longest)) if last else None


def train_better(
    problem: Problem, recipe: FullData, folder: str | Path, log: Callable[[str], object] = print
) -> FullRow:
    """Networks trained by ``recipe`` on all training images; each resumed at its last epoch.

    Args:
      problem: the network, the real images and how they are preprocessed and augmented.
      recipe: how many networks, and how each is trained.
      folder: the table's; the networks' states are kept in it.
      log: called with a line per network.

    Raises:
      InputError: another process is at work on these networks.
    """
    folder, settings, dataset = Path(folder) / "full_data", problem.settings, problem.dataset
    decided = {
        "full": dataclasses.asdict(recipe),
        "recipe": dataclasses.asdict(settings.recipe()) | {"seed": settings.seed},
        "data": [dataset.name, dataset.checksum, tree_checksum(dataset.test)],
    }
    # States of another recipe lie beside: to go on from them would be neither.
    place = folder / f"{zlib.crc32(json.dumps(decided, sort_keys=True).encode()):08x}"

    def make() -> dict[str, Any]:
        optimiser = sgd(momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        how = (problem.preprocessing, settings.ops, optimiser, recipe.batch, dataset)
        trainer = Trainer(problem.network, *how)
        train = partial(_train, trainer, problem, recipe, place, log)
        with progress_bar("full data", recipe.networks * recipe.epochs) as bar:
            trained = in_threads(partial(train, bar), range(recipe.networks))
        for number, (score, _) in enumerate(trained):
            log(f"full data, network {number}: {100 * score:.2f} % after {recipe.epochs} epochs")
        accuracies, seconds = zip(*trained, strict=True)
        return FullRow(list(accuracies), recipe.epochs, sum(seconds))._asdict()

    with exclusive(folder):
        return FullRow(**kept(folder / "result.json", decided, make, log)["result"])


def _train(trainer, problem, recipe, folder, log, bar, number):
    """(test accuracy, seconds) of one network."""
    key = seeds.key("full_data", problem.settings.seed, number)
    initial, *keys = jax.random.split(key, 1 + recipe.epochs)
    path = folder / f"network-{number}.npz"
    begun = (trainer.state(problem.network.init(initial)), np.int32(0), np.float32(0))
    state, done, seconds = _resumed(path, begun, log)
    done, seconds = int(done), float(seconds)
    bar.advance(done)
    for epoch in range(done, recipe.epochs):
        begin = time.perf_counter()
        rate = recipe.lr * 0.5 * (1 + np.cos(np.pi * epoch / recipe.epochs))
        state, _ = trainer.epoch(state, keys[epoch], rate)
        seconds += time.perf_counter() - begin
        save_tree(path, (state, np.int32(epoch + 1), np.float32(seconds)))
        bar.advance(1)
    return trainer.accuracy(state.params), seconds


def _resumed(path, begun, log):
    """What ``path`` holds; a state that is damaged is begun again."""
    try:
        return load_tree(path, jax.eval_shape(lambda: begun)) if path.exists() else begun
    except InputError as error:
        log(f"{error}; this network is trained again from the beginning")
        return begun
