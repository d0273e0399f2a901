"""A distilled set that a run goes on from: ``--distill.initial FILE.npz``."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.preprocessing import Preprocessing
from mttjax.distilled import DistilledSet, load_distilled
from mttjax.evaluation.scorer import require_same_data
from mttjax.runs.problem import Problem
from mttjax.system.errors import InputError

__all__ = ["Begun", "begun_set"]


class Begun(NamedTuple):
    """What a run goes on from, class by class."""

    images: jax.Array
    """[N, H, W, C], normalised as the run's are."""
    labels: np.ndarray
    """[N, K] probabilities."""
    lr: float
    rates: list[float] | None
    """Of a set of DD, that of every step."""
    is_soft: bool
    """Whether an image belongs to more than one class."""


def begun_set(problem: Problem, ipc: int, *, even: bool) -> Begun | None:
    """The set that the settings name as the first images; None where they name none.

    Args:
      problem: of a method that learns.
      ipc: images per class that are learned, for unequal numbers their mean, rounded down.
      even: whether every class must have as many.

    Raises:
      InputError: no set there, one of other classes or sizes of images, or of other numbers.
    """
    path = problem.settings.distill.initial
    if not path.endswith(".npz"):
        return None
    distilled = load_distilled(path)
    try:
        require_same_data(distilled, problem.dataset)
    except InputError as error:
        raise InputError(f"distill.initial {path}: {error}") from error
    if distilled.ipc != ipc:
        raise InputError(
            f"distill.initial {path} has {distilled.per_class} images per class, on average "
            f"{distilled.ipc}, and {ipc} are learned: give ipc accordingly"
        )
    order = np.argsort(distilled.classes, kind="stable")
    if even and not np.array_equal(distilled.classes[order], np.repeat(range(_k(distilled)), ipc)):
        raise InputError(
            f"distill.initial {path} has {distilled.per_class} images per class: only mtt and datm "
            "without a decoder, and ld, learn sets whose classes have unequal numbers"
        )
    images = _as_seen(distilled.images[order], distilled.preprocessing, problem.preprocessing)
    rates = distilled.settings.get("rates")
    return Begun(images, distilled.labels[order], distilled.lr, rates, distilled.has_soft_labels)


def _k(distilled: DistilledSet) -> int:
    return len(distilled.class_names)


def _as_seen(images: np.ndarray, there: Preprocessing, here: Preprocessing) -> jax.Array:
    """Images normalised there as they are normalised here; the same where that is the same."""
    same = there.kind == here.kind and all(map(np.array_equal, there, here))
    if same:
        return jnp.asarray(images)
    # Pixels keep their fractions: nothing is rounded.
    return here(255 * there.inverse(jnp.asarray(images)))
