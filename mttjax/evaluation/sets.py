"""How good sets are beside random real images."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mttjax.config.protocol import Protocol
from mttjax.core.synthetic import one_hot_labels
from mttjax.datasets.dataset import Dataset
from mttjax.datasets.loading import load_dataset
from mttjax.datasets.names import DATASET_NAMES
from mttjax.distilled import DistilledSet, load_distilled
from mttjax.evaluation.own_way import evaluate_own_way
from mttjax.evaluation.scorer import Scorer, require_same_data
from mttjax.evaluation.testing import Evaluation
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.provenance import stamp
from mttjax.system.text import shown

__all__ = [
    "RANDOM_LR",
    "Results",
    "Row",
    "classes_with_fewer",
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
    own_way: Evaluation | None = None
    """A set of DD used as DD uses it: see ``evaluate_own_way``."""
    stored_ipc: float | None = None
    """Of decoded images or soft labels: images per class that take as much to store."""
    per_class: str | None = None
    """Where classes have unequal numbers of images: "1 to 3"."""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        own = {} if self.own_way is None else {"own_way": self.own_way.record()}
        about: dict[str, Any] = {"lr": self.lr, "step": self.step, "ipc": self.ipc}
        if self.stored_ipc is not None:
            about["stored_ipc"] = self.stored_ipc
        if self.per_class is not None:
            about["images_per_class"] = self.per_class
        return self.evaluation.record() | about | own


class Results(NamedTuple):
    """What ``evaluate_sets`` found."""

    rows: dict[str, Row]
    """By the sets' names."""
    epochs: int
    """Of the protocol."""
    class_names: tuple[str, ...]
    """K names."""
    made: dict[str, Any]
    """When, where and with what: a ``stamp``."""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        rows = {name: row.record() for name, row in self.rows.items()}
        classes = list(self.class_names)
        return {"rows": rows, "epochs": self.epochs, "classes": classes} | self.made


def evaluate_sets(
    sets: Mapping[str, DistilledSet],
    dataset: Dataset,
    protocol: Protocol,
    *,
    seed: int = 0,
    with_random: bool = True,
    log: Callable[[str], object] = print,
) -> Results:
    """Evaluates distilled sets, and as many random real images; those of DD in their own way too,
    those with soft labels with hard ones too.

    Args:
      sets: all of one dataset, by their names.
      dataset: their real images.
      protocol: how many networks, and how they are trained.
      seed: decides the networks and the random images.
      with_random: evaluate random real images too.
      log: called with a line per set.

    Raises:
      InputError: a set is of other data; nothing was evaluated then.
    """
    for distilled in sets.values():
        require_same_data(distilled, dataset)
    score = Scorer(dataset, protocol, seed=seed, log=log)
    random = random_sets(sets, dataset, seed, log) if with_random else {}
    differ = any(distilled.is_uneven for distilled in sets.values())
    soft = {f"{name}, hard labels": s for name, s in sets.items() if s.has_soft_labels}
    sets = {**sets, **{name: s.with_hard_labels() for name, s in soft.items()}}
    rows = {}
    for name, distilled in {**sets, **random}.items():
        # Of random images there may be fewer for some classes.
        ipc = int(np.bincount(distilled.classes).max()) if name in random else distilled.ipc
        about = (distilled.lr, distilled.settings.get("step"), ipc)
        evaluation, how = score(distilled, name=name), {"networks": protocol.networks, "seed": seed}
        own = evaluate_own_way(distilled, dataset, **how, title=f"{name}, own way")
        if own is not None:
            log(f"{name}, its own steps alone: {100 * own.mean:.2f} ± {100 * own.std:.2f} %")
        per_class = distilled.per_class if differ and distilled.is_uneven else None
        rows[name] = Row(evaluation, *about, own, distilled.stored_ipc, per_class)
    return Results(rows, protocol.epochs, dataset.class_names, stamp())


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
    name: str | None = None,
    folder: str | Path | None = None,
    download: bool = False,
    log: Callable[[str], object] | None = print,
) -> Dataset:
    """The real images that a set was distilled from, split as for its own run.

    Args:
      distilled: the set.
      name: as ``load_dataset``; None: what the set says.
      folder: as ``load_dataset``.
      download: as ``load_dataset``.
      log: as ``load_dataset``.

    Raises:
      InputError: as ``load_dataset``, the set's settings do not say what they should, or the
        images are not of the set's shape and classes.
    """
    data = distilled.settings.get("data", {})
    if not isinstance(data, dict):
        raise InputError(
            f"the distilled set's settings['data'] is a {type(data).__name__}, expected a "
            "dictionary: it is not a set that distill wrote"
        )
    # Of a folder or an .npz a set has its own name; one that a program made has nothing more.
    name = name or data.get("dataset", distilled.dataset)
    if name not in DATASET_NAMES:
        raise InputError(
            f"the set is of {shown(name)}, which is no data set that can be loaded by its name: "
            f"give data.dataset, out of {', '.join(DATASET_NAMES)}, and where it is as data.dir"
        )
    split = data.get("seed")
    dataset = load_dataset(
        name,
        folder=folder,
        download=download,
        resolution=data.get("resolution"),
        classes=data.get("classes"),
        fit=data.get("fit", "crop"),
        validation=data.get("validation", 0.1),
        seed=distilled.seed if split is None else split,
        log=log,
    )
    require_same_data(distilled, dataset)
    known = distilled.settings.get("real_images")
    if log and isinstance(known, dict) and known.get("checksum") != dataset.checksum:
        log(
            f"other training images than those that the set was made of: their checksum is "
            f"{dataset.checksum}, the set's is {shown(known.get('checksum'))}"
        )
    return dataset


def random_sets(
    sets: Mapping[str, DistilledSet],
    dataset: Dataset,
    seed: int,
    log: Callable[[str], object] = print,
) -> dict[str, DistilledSet]:
    """``random_real_set`` for each size among the sets, by a name; says which have fewer images."""
    sizes = {(d.ipc, d.per_class): d for d in reversed(list(sets.values()))}
    named = {}
    for (ipc, per_class), distilled in sorted(sizes.items()):
        name = "random real images" + (f", {per_class} per class" if len(sizes) > 1 else "")
        if fewer := classes_with_fewer(dataset, ipc):
            name = f"random real images, up to {ipc} per class"
            log(f"{name}: fewer than {ipc} training images of {fewer}")
        named[name] = random_real_set(distilled, dataset, seed)
    return named


def classes_with_fewer(dataset: Dataset, ipc: int) -> str:
    """The classes with fewer training images than ``ipc``, in words; empty where there is none."""
    counts = np.bincount(dataset.train.labels, minlength=dataset.n_classes)
    few = [f"{dataset.class_names[k]} ({counts[k]})" for k in np.flatnonzero(counts < ipc)]
    return ", ".join(few[:5]) + (f" and {len(few) - 5} classes more" if len(few) > 5 else "")


def random_real_set(
    distilled: DistilledSet, dataset: Dataset, seed: int, *, own_labels: bool = False
) -> DistilledSet:
    """Random real images, each once, as many as ``distilled`` has, used in the same way.

    Of a class with fewer training images than that it has all of them.

    Args:
      distilled: the set beside which they stand.
      dataset: its real images.
      seed: decides them.
      own_labels: with the distilled labels, each image of its label's class; else as many of
        each class, with hard labels.

    Raises:
      InputError: the set is of other data.
    """
    require_same_data(distilled, dataset)
    classes = dataset.n_classes
    labels = distilled.labels
    if not own_labels:
        even = one_hot_labels(max(1, distilled.ipc), classes)
        labels = labels[np.argsort(distilled.classes)] if distilled.is_uneven else even
    wanted = labels.argmax(axis=1)
    most = int(np.bincount(wanted).max())
    rng = seeds.rng("random_images", seed, distilled.ipc)
    indices = np.full(len(labels), -1)
    for k in range(classes):
        members, places = np.flatnonzero(dataset.train.labels == k), np.flatnonzero(wanted == k)
        drawn = rng.choice(members, min(most, len(members)), replace=False)
        indices[places[: len(drawn)]] = drawn[: len(places)]
    labels, indices = labels[indices >= 0], indices[indices >= 0]
    return dataclasses.replace(
        distilled,
        images=np.asarray(distilled.preprocessing(dataset.train.images[indices])),
        labels=labels,
        lr=RANDOM_LR,
        seed=seed,
        settings={"method": "random"},
    )
