"""How good sets are beside random real images: the evaluator on everything a run kept."""

import dataclasses
from pathlib import Path

import numpy as np

from mttjax.core.networks import make_network
from mttjax.core.selection import random_selection
from mttjax.core.synthetic import one_hot_labels
from mttjax.datasets import load_dataset
from mttjax.distilled import load_distilled
from mttjax.evaluation.evaluator import Evaluator
from mttjax.system.errors import InputError
from mttjax.system.provenance import hardware, today, versions

__all__ = [
    "KINDS",
    "check_same_data",
    "evaluate_set",
    "evaluate_sets",
    "load_sets",
    "make_evaluator",
    "random_real",
    "random_sets",
    "real_data_of",
]

KINDS = {
    "last": "last",
    "best": "best on validation",
    "best_on_test": "best on test (paper's protocol)",
}
"""The sets that a run keeps, and what tables call them."""


def load_sets(*paths):
    """The sets of a run's folder, or those of ``.npz`` files: name -> ``DistilledSet``.

    Files are called by their names, and by their folders too where these are alike.

    Raises:
      InputError: nothing there, not a distilled set, or a file given twice.
    """
    path, *others = paths = list(map(Path, paths))
    if others or not path.is_dir():
        return {name: load_distilled(p) for name, p in zip(_names(paths), paths, strict=True)}
    found = {name: path / f"{kind}.npz" for kind, name in KINDS.items()}
    sets = {name: load_distilled(file) for name, file in found.items() if file.exists()}
    if not sets:
        raise InputError(f"{path}: no distilled set there; make one with bin/distill")
    return sets


def _names(paths):
    """The shortest ends of the paths, without suffix, that tell them apart."""
    parts = [path.absolute().with_suffix("").parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    raise InputError(f"{', '.join(map(str, paths))}: a set is given twice")


def real_data_of(distilled, *, folder=None, download=False):
    """The real images that a set was distilled from, split as for its own run.

    Args:
      distilled: a ``DistilledSet``.
      folder: as ``load_dataset``.
      download: as ``load_dataset``.

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
        validation=data.get("validation", 0.1),
        seed=distilled.seed if split is None else split,
    )


def evaluate_sets(sets, dataset, protocol, *, seed=0, with_random=True, log=print):
    """Evaluates distilled sets, and as many random real images.

    Args:
      sets: name -> ``DistilledSet``, all of one dataset.
      dataset: their ``Dataset``.
      protocol: a ``Protocol``.
      seed: decides the networks and the random images.
      with_random: evaluate random real images too.
      log: called with a line per set.

    Returns:
      The results, ready for JSON: a row per set, and when, where and with what.
    """
    sets = dict(sets)
    if with_random:
        sets |= random_sets(sets, dataset, seed=seed)
    rows, evaluators, scores = {}, {}, {}
    for name, distilled in sets.items():
        # Sets of one run are used in one way: the program is compiled for the first of them,
        # and the best set is often the last.
        way = _way_of_use(distilled)
        if way not in evaluators:
            evaluators[way] = make_evaluator(distilled, dataset, protocol)
        content = (way, distilled.images.tobytes(), distilled.labels.tobytes(), distilled.lr)
        if content not in scores:
            scores[content] = evaluate_set(distilled, evaluators[way], seed=seed, title=name)
        score, step = scores[content], distilled.settings.get("step")
        log(f"{name}: {100 * score.mean:.2f} ± {100 * score.std:.2f} %")
        rows[name] = score.record() | {"lr": distilled.lr, "step": step, "ipc": distilled.ipc}
    return {
        "rows": rows,
        "epochs": protocol.epochs,
        "date": today(),
        "hardware": hardware(),
        "versions": versions(),
    }


def make_evaluator(distilled, dataset, protocol, network=None):
    """The ``Evaluator`` of a set, from all that the set itself says.

    Args:
      distilled: a ``DistilledSet``.
      dataset: the ``Dataset`` whose test set is used; it must be the set's own.
      protocol: a ``Protocol``.
      network: the ``NetworkSpec`` to train instead of the set's own, or None.

    Raises:
      InputError: the images or classes of ``dataset`` are not those of the set.
    """
    check_same_data(distilled, dataset)
    shape = distilled.images.shape[1:]
    network = make_network(network or distilled.network, shape, len(distilled.class_names))
    tests = {"test": dataset.test}
    return Evaluator(network, distilled.preprocessing, distilled.ops, tests, protocol)


def evaluate_set(distilled, evaluator, *, seed=0, title="evaluating"):
    """Trains fresh networks on a distilled set, at its own rate: an ``Evaluation``."""
    images, labels = distilled.images, distilled.labels
    return evaluator(images, labels, distilled.lr, seed=seed, title=title)["test"]


def _way_of_use(distilled):
    arrays = tuple(np.asarray(a).tobytes() for a in distilled.preprocessing)
    return distilled.network, distilled.ops, distilled.preprocessing.kind, arrays


def check_same_data(distilled, dataset):
    """Raises ``InputError`` unless ``dataset`` has the images and classes of the set's own."""
    mine = (distilled.images.shape[1:], tuple(distilled.class_names))
    theirs = (dataset.test.images.shape[1:], tuple(dataset.class_names))
    if mine != theirs:
        raise InputError(
            f"the set was distilled from {distilled.dataset} with images {mine[0]} of "
            f"{len(mine[1])} classes, but {dataset.name} has {theirs[0]} and {len(theirs[1])} "
            "classes (or others): give its own data with --data.dataset and --data.dir"
        )


def random_sets(sets, dataset, *, seed):
    """``random_real`` for each size among the sets: name -> ``DistilledSet``."""
    sizes = {distilled.ipc: distilled for distilled in reversed(sets.values())}
    name = "random real images"
    return {
        name if len(sizes) == 1 else f"{name}, {ipc} per class": random_real(
            distilled, dataset, seed=seed
        )
        for ipc, distilled in sorted(sizes.items())
    }


def random_real(distilled, dataset, *, seed, lr=0.01):
    """A set of random real images as many as ``distilled`` has, used in the same way.

    The rate is the usual one of selected real images, which learn none.
    """
    images, labels = dataset.train
    rng = np.random.default_rng([seed, distilled.ipc, 1])
    classes = len(dataset.class_names)
    chosen = random_selection(rng, labels, ipc=distilled.ipc, classes=classes)
    return dataclasses.replace(
        distilled,
        images=np.asarray(distilled.preprocessing(images[chosen])),
        labels=one_hot_labels(distilled.ipc, classes),
        lr=lr,
        seed=seed,
        settings={"method": "random"},
    )
