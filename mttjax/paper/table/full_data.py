"""The table's last rows: the network trained on all real images, in two ways."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mttjax.experts.store import ExpertStore
from mttjax.paper.table.plan import FullData
from mttjax.runs.networks import Training, train_networks
from mttjax.runs.problem import Problem
from mttjax.system.kept import kept
from mttjax.system.trees import tree_checksum
from mttjax.system.units import missing

__all__ = ["FullRow", "experts_row", "train_better"]


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
    last, longest = store.trained_longest()
    return FullRow(list(last.values()), longest, store.seconds(last, longest)) if last else None


def train_better(
    problem: Problem,
    recipe: FullData,
    folder: str | Path,
    log: Callable[[str], object] = print,
    *,
    only_look: bool = False,
) -> FullRow:
    """Networks trained by ``recipe`` on all training images; each resumed at its last epoch.

    Args:
      problem: the network, the real images and how they are preprocessed and augmented.
      recipe: how many networks, and how each is trained.
      folder: the table's; the networks' states are kept in it.
      log: called with a line per network.
      only_look: train nothing.

    Raises:
      Busy: another process is at work on these networks.
      Missing: they are not there, and this only looks.
    """
    folder, settings, dataset = Path(folder) / "full_data", problem.settings, problem.dataset
    training = Training(
        "full_data",
        networks=recipe.networks,
        epochs=recipe.epochs,
        rates=lambda epoch: recipe.lr * 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs)),
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        batch=recipe.batch,
        ops=settings.real_ops,
    )
    decided = {
        "full": dataclasses.asdict(recipe),
        "settings": problem.decisive(),
        "test": tree_checksum(dataset.test),
    }

    def make() -> dict[str, Any]:
        trained = train_networks(problem, training, folder, log)
        seconds = sum(network.seconds for network in trained)
        return FullRow([n.accuracy for n in trained], recipe.epochs, seconds)._asdict()

    if only_look:
        make = partial(missing, folder)
    return FullRow(**kept(folder / "result.json", decided, make, log)["result"])
