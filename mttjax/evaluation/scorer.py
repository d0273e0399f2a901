"""Distilled sets evaluated with any network, and none of them twice: not even after a kill."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.training import TRAINING_TILE, fitting_tile
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.evaluator import Evaluator
from mttjax.evaluation.testing import Evaluation
from mttjax.system.errors import InputError
from mttjax.system.kept import kept
from mttjax.system.trees import tree_checksum

__all__ = ["Scorer", "evaluate", "require_same_data"]

PUBLISHED = Protocol()


def evaluate(
    distilled: DistilledSet,
    dataset: Dataset,
    protocol: Protocol = PUBLISHED,
    *,
    network: NetworkSpec | None = None,
    seed: int = 0,
    title: str = "evaluation",
) -> Evaluation:
    """Test accuracies of fresh networks trained on a set, used as the set itself says.

    Args:
      distilled: the set; its rate, preprocessing and augmentation are used.
      dataset: its real images; the test set is tested on.
      protocol: how many networks, and how they are trained.
      network: to train instead of the set's own.
      seed: decides the networks.
      title: for the progress bar.

    Raises:
      InputError: the set is not of this dataset, the network does not fit its images, or no
        network is asked for.
    """
    score = Scorer(dataset, protocol, seed=seed, log=lambda _: None)
    return score(distilled, name=title, network=network)


class Scorer:
    """Evaluates sets of one dataset under one protocol; what was evaluated is kept.

    Args:
      dataset: the sets' real images.
      protocol: how many networks, and how they are trained.
      seed: decides the networks.
      folder: where results are kept, a JSON file each, named by all that decides it; None:
        for as long as this object lives.
      log: called with a line per result.
    """

    dataset: Dataset
    protocol: Protocol
    seed: int
    how: dict[str, Any]
    """The protocol and the seed: JSON values."""

    def __init__(
        self,
        dataset: Dataset,
        protocol: Protocol,
        *,
        seed: int = 0,
        folder: str | Path | None = None,
        log: Callable[[str], object] = print,
    ) -> None:
        self.dataset, self.protocol, self.seed, self._log = dataset, protocol, seed, log
        self._folder = None if folder is None else Path(folder)
        self._evaluators: dict[str, Evaluator] = {}
        self._evaluations: dict[str, Evaluation] = {}
        self.how = {"protocol": dataclasses.asdict(protocol), "seed": seed}
        self._decided = self.how | {"test": tree_checksum(dataset.test)}
        self._decided |= {"result": Evaluation._fields}

    def __call__(
        self, distilled: DistilledSet, *, name: str, network: NetworkSpec | None = None
    ) -> Evaluation:
        """Accuracies of fresh networks trained on a set at the set's own rate.

        Args:
          distilled: the set.
          name: for the log and the progress bar.
          network: to train; None: the set's own.

        Raises:
          InputError: the set is not of this dataset, or the network does not fit its images.
        """
        network = network or distilled.network
        way = _way_of_use(distilled, network)
        content = {"images": distilled.images, "labels": distilled.labels}
        decided = self._decided | way | {"set": tree_checksum(content), "lr": distilled.lr}
        key = _digest(decided)
        if key not in self._evaluations:
            path = self._folder and self._folder / f"{key}.json"
            make = lambda: self._evaluate(distilled, network, _digest(way), name).record()
            record = kept(path, decided, make, self._log)["result"]
            self._evaluations[key] = Evaluation.from_record(record)
        evaluation = self._evaluations[key]
        self._log(f"{name}: {100 * evaluation.mean:.2f} ± {100 * evaluation.std:.2f} %")
        return evaluation

    def _evaluate(self, distilled, network, way, title):
        """By a program that is compiled once for all sets that are used in one way."""
        if way not in self._evaluators:
            require_same_data(distilled, self.dataset)
            sizes = self.dataset.image_shape, self.dataset.n_classes
            self._evaluators[way] = Evaluator(
                make_network(network, *sizes, tile=fitting_tile(TRAINING_TILE)),
                distilled.preprocessing,
                distilled.ops,
                {"test": self.dataset.test},
                self.protocol,
            )
        images, labels, evaluator = distilled.images, distilled.labels, self._evaluators[way]
        return evaluator(images, labels, distilled.lr, seed=self.seed, title=title)["test"]


def _way_of_use(distilled: DistilledSet, network: NetworkSpec) -> dict[str, Any]:
    """All that decides a result but the set's content and rate: sets of one run share it."""
    return {
        "network": dataclasses.asdict(network),
        "ops": list(distilled.ops),
        "preprocessing": distilled.preprocessing.kind,
        "preprocessing_arrays": tree_checksum(distilled.preprocessing),
        "classes": list(distilled.class_names),
    }


def _digest(record):
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:24]


def require_same_data(distilled: DistilledSet, dataset: Dataset) -> None:
    """Raises ``InputError`` unless ``dataset`` has the images and classes of the set's own."""
    mine = (distilled.images.shape[1:], tuple(distilled.class_names))
    theirs = (dataset.image_shape, tuple(dataset.class_names))
    if mine != theirs:
        raise InputError(
            f"the set was distilled from {distilled.dataset} with images {mine[0]} of "
            f"{len(mine[1])} classes, but {dataset.name} has {theirs[0]} and {len(theirs[1])} "
            "classes (or others): give the data that it was distilled from"
        )
