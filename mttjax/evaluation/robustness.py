"""How much of a set's accuracy is owed to its labels and to the augmentation: DD-Ranking's scores.

Li et al., "DD-Ranking: Rethinking the Evaluation of Dataset Distillation", 2025.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mttjax.config.protocol import Protocol
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.scorer import Scorer
from mttjax.evaluation.sets import classes_with_fewer, random_real_set
from mttjax.evaluation.testing import Evaluation
from mttjax.reporting import percent, print_table
from mttjax.system.errors import InputError
from mttjax.system.files import write_json
from mttjax.system.provenance import stamp

__all__ = [
    "AugmentationRobustness",
    "LabelRobustness",
    "Robustness",
    "augmentation_robust_score",
    "label_robust_score",
    "report_robustness",
    "robustness_of",
]


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


def label_robust_score(
    full_hard: float, set_hard: float, set_own: float, random_own: float, *, w: float = 0.5
) -> LabelRobustness:
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


def augmentation_robust_score(
    set_aug: float, random_aug: float, set_plain: float, random_plain: float, *, gamma: float = 0.5
) -> AugmentationRobustness:
    """What a set gains over random images, with augmentation and without.

        β = γ·(set_aug - random_aug) + (1 - γ)·(set_plain - random_plain)
        score = (e^β - e⁻¹) / (e - e⁻¹)

    Args:
      set_aug: the accuracy of the distilled images, trained on with augmentation.
      random_aug: that of random real images with the same labels.
      set_plain: the first without augmentation.
      random_plain: the second without.
      gamma: γ, in [0, 1].

    Returns:
      ``AugmentationRobustness``; the score is in [0, 1], and .269 where β is 0.

    Raises:
      InputError: a number outside [0, 1].
    """
    _check(set_aug=set_aug, random_aug=random_aug, gamma=gamma)
    _check(set_plain=set_plain, random_plain=random_plain)
    gain, plain = set_aug - random_aug, set_plain - random_plain
    beta = gamma * gain + (1 - gamma) * plain
    return AugmentationRobustness(gain, plain, beta, _score(beta))


def _score(x):
    return (math.exp(x) - math.exp(-1)) / (math.e - math.exp(-1))


def _check(**numbers):
    for name, value in numbers.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value!r}: it must be in [0, 1] (per cent? divide by 100)")


class Robustness(NamedTuple):
    """Both scores of a set, and what they are made of."""

    label: LabelRobustness
    augmentation: AugmentationRobustness
    full_accuracy: float
    """Of the network trained on all real images."""
    measured: dict[str, Evaluation]
    """By the names of the functions' arguments."""
    ipc: int
    lr: dict[str, float]
    """The rates of the set and of the random images."""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        measured = {name: evaluation.record() for name, evaluation in self.measured.items()}
        return {
            "ipc": self.ipc,
            "label": self.label._asdict(),
            "augmentation": self.augmentation._asdict(),
            "accuracies": {"full_hard": {"mean": self.full_accuracy}} | measured,
            "lr": self.lr,
        }

    def row(self) -> list[str]:
        """Of the table, in %; see ``HEADERS``."""
        evaluations = (self.measured[n] for n in ("set_hard", "set_own", "random_own"))
        scores = (self.label.hlr, self.label.ior, self.label.score, self.augmentation.score)
        return [*(percent(e.mean, e.std) for e in evaluations), *map(percent, scores)]


HEADERS = (
    *("set", "images", "hard labels", "own labels", "random images"),
    *("HLR", "IOR", "label-robust", "augmentation-robust"),
)


def robustness_of(
    distilled: DistilledSet, score: Scorer, *, full_accuracy: float, name: str = "set"
) -> Robustness:
    """Both scores of a distilled set, with w = γ = .5, and the accuracies they are made of.

    Different from DD-Ranking's code:

    - Distilled images are trained on at their own rate, random ones at .01; there the rate of
      each training is searched on the test set.
    - A network is tested once, at the end; there the best of its epochs on test counts.
    - Random images are drawn once, and the scores are of means; there they are drawn for each of
      five runs, and the scores averaged.
    - With soft labels, random images get the distilled ones of their class; there a teacher's.
    - Accuracies are in [0, 1], as in its paper; its code's scores are of percentages.

    Args:
      distilled: the set. Without augmentation of its own, its accuracies with and without are
        the same.
      score: evaluates sets of its dataset.
      full_accuracy: in [0, 1], of the set's network trained on all real images.
      name: of the set, for the log.

    Raises:
      InputError: a full accuracy outside [0, 1].
    """
    _check(full_accuracy=full_accuracy)
    random = random_real_set(distilled, score.dataset, score.seed, own_labels=True)
    without = lambda s: dataclasses.replace(s, ops=())
    used = {
        "set_hard": ("hard labels", distilled.with_hard_labels()),
        "set_own": ("own labels", distilled),
        "random_own": ("random images, same labels", random),
        "set_plain": ("no augmentation", without(distilled)),
        "random_plain": ("random images, no augmentation", without(random)),
    }
    measured = {key: score(s, name=f"{name}: {how}") for key, (how, s) in used.items()}
    measured |= {"set_aug": measured["set_own"], "random_aug": measured["random_own"]}
    pick = lambda *names: {n: measured[n].mean for n in names}
    return Robustness(
        label_robust_score(full_accuracy, **pick("set_hard", "set_own", "random_own")),
        augmentation_robust_score(**pick("set_aug", "random_aug", "set_plain", "random_plain")),
        full_accuracy,
        measured,
        distilled.ipc,
        {"set": distilled.lr, "random": random.lr},
    )


def report_robustness(
    sets: Mapping[str, DistilledSet],
    dataset: Dataset,
    protocol: Protocol,
    *,
    full_accuracy: float,
    seed: int,
    folder: str | Path,
    log: Callable[[str], object] = print,
) -> Path:
    """``robustness_of`` each set, printed and written as ``robustness.json``.

    Args:
      sets, dataset, protocol, seed, log: as ``evaluate_sets``.
      full_accuracy: as ``robustness_of``.
      folder: where to write; single accuracies are kept in ``scores/`` there.

    Returns:
      The path of ``robustness.json``.
    """
    path = Path(folder) / "robustness.json"
    score = Scorer(dataset, protocol, seed=seed, folder=path.parent / "scores", log=log)
    found = {}
    for name, distilled in sets.items():
        if fewer := classes_with_fewer(dataset, distilled.ipc):
            log(f"{name}: fewer than {distilled.ipc} training images of {fewer}: as many are drawn")
        found[name] = robustness_of(distilled, score, full_accuracy=full_accuracy, name=name)
    rows = [(name, f"{r.ipc} per class", *r.row()) for name, r in found.items()]
    print_table(f"{dataset.name}: robustness, %", HEADERS, rows)
    records = {name: robustness.record() for name, robustness in found.items()}
    write_json(path, {"sets": records, "w": 0.5, "gamma": 0.5} | score.how | stamp())
    return path
