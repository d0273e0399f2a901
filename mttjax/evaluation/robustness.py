"""How much of a set's accuracy is owed to its labels and to the augmentation: DD-Ranking's scores.

Li et al., "DD-Ranking: Rethinking the Evaluation of Dataset Distillation", 2025.
"""

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.evaluation.scorer import Scorer
from mttjax.reporting import percent, print_table
from mttjax.system.errors import InputError
from mttjax.system.files import write_json
from mttjax.system.provenance import hardware, today, versions

__all__ = [
    "HEADERS",
    "AugmentationRobustness",
    "LabelRobustness",
    "augmentation_robust_score",
    "label_robust_score",
    "report_robustness",
    "robustness_of",
]

RANDOM_LR = 0.01  # the usual rate of selected real images, which learn none


class LabelRobustness(NamedTuple):
    """See ``label_robust_score``."""

    hlr: float
    ior: float
    alpha: float
    score: float


class AugmentationRobustness(NamedTuple):
    """See ``augmentation_robust_score``."""

    with_augmentation: float
    without: float
    beta: float
    score: float


def label_robust_score(full_hard, set_hard, set_own, random_own, *, w=0.5):
    """What a set gains over random images beside what it loses to all images.

        HLR = full_hard - set_hard    (hard-label recovery: small is good)
        IOR = set_own - random_own    (improvement over random)
        α = w·IOR - (1 - w)·HLR       score = (e^α - e⁻¹) / (e - e⁻¹)

    Args:
      full_hard: the accuracy of all real images with their labels.
      set_hard: that of the distilled images with one-hot labels.
      set_own: that of the distilled images with their own labels.
      random_own: that of random real images with the distilled labels.
      w: the weight of IOR, in [0, 1].

    Returns:
      ``LabelRobustness``; the score is in [0, 1], and .269 where α is 0.

    Raises:
      InputError: a number outside [0, 1].
    """
    _check(full_hard=full_hard, set_hard=set_hard, set_own=set_own, random_own=random_own, w=w)
    hlr, ior = full_hard - set_hard, set_own - random_own
    alpha = w * ior - (1 - w) * hlr
    return LabelRobustness(hlr, ior, alpha, _score(alpha))


def augmentation_robust_score(set_aug, random_aug, set_plain, random_plain, *, gamma=0.5):
    """What a set gains over random images, with augmentation and without.

        β = γ·(set_aug - random_aug) + (1 - γ)·(set_plain - random_plain)
        score = (e^β - e⁻¹) / (e - e⁻¹)

    Args:
      set_aug, random_aug: the accuracies of the distilled and of random real images, with the
        same labels, trained on with augmentation.
      set_plain, random_plain: the same without augmentation.
      gamma: γ, in [0, 1].

    Returns:
      ``AugmentationRobustness``; the score is in [0, 1], and .269 where β is 0.

    Raises:
      InputError: a number outside [0, 1].
    """
    _check(
        set_aug=set_aug,
        random_aug=random_aug,
        set_plain=set_plain,
        random_plain=random_plain,
        gamma=gamma,
    )
    gain, plain = set_aug - random_aug, set_plain - random_plain
    beta = gamma * gain + (1 - gamma) * plain
    return AugmentationRobustness(gain, plain, beta, _score(beta))


def _score(x):
    return (math.exp(x) - math.exp(-1)) / (math.e - math.exp(-1))


def _check(**numbers):
    for name, value in numbers.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value!r}: it must be in [0, 1] (per cent? divide by 100)")


def robustness_of(distilled, dataset, protocol, *, full_accuracy, seed=0, folder=None, log=print):
    """Both scores of a distilled set, with w = γ = .5, and the accuracies they are made of.

    DD-Ranking searches the rate of each training on the test set. Here distilled images
    have their own rate, random ones .01.

    Args:
      distilled: a ``DistilledSet``. Without augmentation of its own, its accuracies with and
        without are the same.
      dataset: its ``Dataset``.
      protocol: a ``Protocol``.
      full_accuracy: in [0, 1], of the set's network trained on all real images.
      seed: decides the networks and the random images.
      folder: where each accuracy is kept, for a killed run to go on; None: nowhere.
      log: called with a line per accuracy.

    Returns:
      Ready for JSON: ``label`` and ``augmentation``, the parts of the scores by name;
      ``accuracies``, by the names of the functions' arguments, in [0, 1], one per network too;
      ``lr``, the rates.

    Raises:
      InputError: no accuracy of the full data, one outside [0, 1], or a class with too few
        images.
    """
    if full_accuracy is None:
        raise InputError(
            "the label-robust score needs the accuracy of the full data: give --full-accuracy, "
            "in [0, 1], such as the experts' after their last epoch"
        )
    _check(full_accuracy=full_accuracy)
    random = _random_with_labels(distilled, dataset, seed)
    hard = np.eye(distilled.labels.shape[1], dtype=np.float32)[distilled.classes]
    score = Scorer(dataset, protocol, seed=seed, folder=folder, log=log)
    measured = {
        "set_hard": score(dataclasses.replace(distilled, labels=hard), name="hard labels"),
        "set_own": score(distilled, name="own labels"),
        "random_own": score(random, name="random images, same labels"),
        "set_plain": score(dataclasses.replace(distilled, ops=()), name="no augmentation"),
        "random_plain": score(
            dataclasses.replace(random, ops=()), name="random images, no augmentation"
        ),
    }
    measured |= {"set_aug": measured["set_own"], "random_aug": measured["random_own"]}
    means = {name: record["mean"] for name, record in measured.items()}
    pick = lambda *names: {name: means[name] for name in names}
    label = label_robust_score(full_accuracy, **pick("set_hard", "set_own", "random_own"))
    augmentation = augmentation_robust_score(
        **pick("set_aug", "random_aug", "set_plain", "random_plain")
    )
    return {
        "ipc": distilled.ipc,
        "label": label._asdict(),
        "augmentation": augmentation._asdict(),
        "accuracies": {"full_hard": {"mean": full_accuracy}} | measured,
        "lr": {"set": distilled.lr, "random": RANDOM_LR},
    }


def _random_with_labels(distilled, dataset, seed):
    """Random real images, each of its label's class, with the distilled set's labels."""
    rng = np.random.default_rng([seed, distilled.ipc, 1])
    images, labels = dataset.train
    chosen = np.empty(len(distilled.labels), np.int64)
    for k, name in enumerate(distilled.class_names):
        places, found = np.flatnonzero(distilled.classes == k), np.flatnonzero(labels == k)
        if len(found) < len(places):
            raise InputError(
                f"class {name!r} has {len(found)} training images, and {len(places)} random ones "
                "are needed beside the set"
            )
        chosen[places] = rng.choice(found, len(places), replace=False)
    real = np.asarray(distilled.preprocessing(images[chosen]))
    settings = {"method": "random"}
    return dataclasses.replace(distilled, images=real, lr=RANDOM_LR, settings=settings)


HEADERS = (
    "set",
    "images",
    "hard labels",
    "own labels",
    "random images",
    "HLR",
    "IOR",
    "label-robust",
    "augmentation-robust",
)


def report_robustness(sets, dataset, protocol, *, full_accuracy, seed, folder, log=print):
    """``robustness_of`` each set, printed and written as ``robustness.json``.

    Args:
      sets: name -> ``DistilledSet``, all of one dataset.
      dataset, protocol, full_accuracy, seed, log: as ``robustness_of``.
      folder: where to write; single accuracies are kept in ``scores/`` there.

    Returns:
      The path of ``robustness.json``.
    """
    folder, common = Path(folder), {"full_accuracy": full_accuracy, "seed": seed}
    results = {
        name: robustness_of(
            distilled,
            dataset,
            protocol,
            folder=folder / "scores",
            log=lambda line, name=name: log(f"{name}: {line}"),
            **common,
        )
        for name, distilled in sets.items()
    }
    print_table(f"{dataset.name}: robustness, %", HEADERS, _rows(results))
    write_json(
        folder / "robustness.json",
        {
            "sets": results,
            "w": 0.5,
            "gamma": 0.5,
            "protocol": dataclasses.asdict(protocol),
            "seed": seed,
            "date": today(),
            "hardware": hardware(),
            "versions": versions(),
        },
    )
    return folder / "robustness.json"


def _rows(results):
    for name, result in results.items():
        accuracies = [result["accuracies"][n] for n in ("set_hard", "set_own", "random_own")]
        label, augmentation = result["label"], result["augmentation"]
        parts = (label["hlr"], label["ior"], label["score"], augmentation["score"])
        yield (
            name,
            f"{result['ipc']} per class",
            *(percent(a["mean"], a["std"]) for a in accuracies),
            *map(percent, parts),
        )
