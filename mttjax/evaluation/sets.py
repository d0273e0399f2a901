"""How good sets are beside random real images."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mttjax.config.protocol import Protocol
from mttjax.core.selection import random_selection
from mttjax.core.synthetic import one_hot_labels
from mttjax.datasets import Dataset, load_dataset
from mttjax.distilled import DistilledSet, load_distilled
from mttjax.evaluation.evaluator import Evaluation
from mttjax.evaluation.scorer import Scorer
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.provenance import stamp

__all__ = [
    "RANDOM_LR",
    "Results",
    "Row",
    "evaluate_sets",
    "load_sets",
    "random_real_set",
    "random_sets",
    "real_data_of",
]

RANDOM_LR = 0.01
"""The usual rate of selected real images, which learn none."""


class Row(NamedTuple):
    """A set and how good it is."""

    evaluation: Evaluation
    lr: float
    """The set's rate."""
    step: int | None
    """Of its run."""
    ipc: int


class Results(NamedTuple):
    """What ``evaluate_sets`` found."""

    rows: dict[str, Row]
    """By the sets' names."""
    epochs: int
    """Of the protocol."""
    made: dict[str, Any]
    """When, where and with what: a ``stamp``."""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        rows = {
            name: row.evaluation.record() | {"lr": row.lr, "step": row.step, "ipc": row.ipc}
            for name, row in self.rows.items()
        }
        return {"rows": rows, "epochs": self.epochs} | self.made


def evaluate_sets(
    sets: Mapping[str, DistilledSet],
    dataset: Dataset,
    protocol: Protocol,
    *,
    seed: int = 0,
    with_random: bool = True,
    log: Callable[[str], object] = print,
) -> Results:
    """Evaluates distilled sets, and as many random real images.

    Args:
      sets: all of one dataset, by their names.
      dataset: their real images.
      protocol: how many networks, and how they are trained.
      seed: decides the networks and the random images.
      with_random: evaluate random real images too.
      log: called with a line per set.
    """
    score = Scorer(dataset, protocol, seed=seed, log=log)
    random = random_sets(sets, dataset, seed) if with_random else {}
    rows = {
        name: Row(score(s, name=name), s.lr, s.settings.get("step"), s.ipc)
        for name, s in {**sets, **random}.items()
    }
    return Results(rows, protocol.epochs, stamp())


def load_sets(paths: Sequence[str | Path]) -> dict[str, DistilledSet]:
    """The sets of ``.npz`` files, called by their names, and by their folders too where these
    are alike.

    Raises:
      InputError: nothing there, not a distilled set, or a file given twice.
    """
    files = [Path(path) for path in paths]
    return {name: load_distilled(p) for name, p in zip(_names(files), files, strict=True)}


def _names(paths):
    """The shortest ends of the paths, without suffix, that tell them apart."""
    parts = [path.absolute().with_suffix("").parts for path in paths]
    for count in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{', '.join(map(str, paths))}: a set is given twice")


def real_data_of(
    distilled: DistilledSet,
    *,
    folder: str | Path | None = None,
    download: bool = False,
    log: Callable[[str], object] | None = print,
) -> Dataset:
    """The real images that a set was distilled from, split as for its own run.

    Args:
      distilled: the set.
      folder: as ``load_dataset``.
      download: as ``load_dataset``.
      log: as ``load_dataset``.

    Raises:
      InputError: as ``load_dataset``, or the set's settings do not say what they should.
    """
    data = distilled.settings.get("data", {})
    if not isinstance(data, dict):
        raise InputError(
            f"the distilled set's settings['data'] is a {type(data).__name__}, expected a "
            "dictionary: it is not a set that distill wrote"
        )
    split = data.get("seed")
    return load_dataset(
        data.get("dataset", distilled.dataset),  # of a folder or an .npz a set has its own name
        folder=folder,
        download=download,
        resolution=data.get("resolution"),
        classes=data.get("classes"),
        fit=data.get("fit", "crop"),
        validation=data.get("validation", 0.1),
        seed=distilled.seed if split is None else split,
        log=log,
    )


def random_sets(
    sets: Mapping[str, DistilledSet], dataset: Dataset, seed: int
) -> dict[str, DistilledSet]:
    """``random_real_set`` for each size among the sets, by a name."""
    sizes = {distilled.ipc: distilled for distilled in reversed(list(sets.values()))}
    name = "random real images"
    return {
        name if len(sizes) == 1 else f"{name}, {ipc} per class": random_real_set(
            distilled, dataset, seed
        )
        for ipc, distilled in sorted(sizes.items())
    }


def random_real_set(
    distilled: DistilledSet, dataset: Dataset, seed: int, *, own_labels: bool = False
) -> DistilledSet:
    """Random real images, each once, as many as ``distilled`` has, used in the same way.

    Args:
      distilled: the set beside which they stand.
      dataset: its real images.
      seed: decides them.
      own_labels: with the distilled labels, each image of its label's class; else as many of
        each class, with hard labels.

    Raises:
      InputError: a class has fewer training images than are needed.
    """
    classes = dataset.n_classes
    labels = distilled.labels if own_labels else one_hot_labels(distilled.ipc, classes)
    wanted = labels.argmax(axis=1)
    most = int(np.bincount(wanted).max())
    rng = seeds.rng("random_images", seed, distilled.ipc)
    try:
        chosen = random_selection(rng, dataset.train.labels, ipc=most, classes=classes)
    except ValueError as error:
        raise InputError(f"random real images beside the set: {error}") from error
    indices = np.empty(len(labels), np.int64)
    for k, of_class in enumerate(chosen.reshape(classes, most)):
        indices[wanted == k] = of_class[: np.count_nonzero(wanted == k)]
    return dataclasses.replace(
        distilled,
        images=np.asarray(distilled.preprocessing(dataset.train.images[indices])),
        labels=labels,
        lr=RANDOM_LR,
        seed=seed,
        settings={"method": "random"},
    )
