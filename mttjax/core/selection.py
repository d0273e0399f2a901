"""Real images in place of synthetic ones: random, herding, k-center, forgetting.

The coreset rows of the papers' tables, in NumPy; features and training statistics come
from outside. Every selection

- takes ``labels``, [n] integers in 0..K-1, ``ipc``, the images to choose per class, at
  least 1, and ``classes``, K;
- returns [ipc·K] int64 indices, class 0 first, in the order in which they were chosen;
- raises ``ValueError`` for other labels, for a class with fewer than ``ipc`` images, and
  for features or counts that do not fit the labels.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mttjax.system.fields import require_count

__all__ = ["forgetting", "forgetting_counts", "herding", "k_center", "random_selection"]


def random_selection(
    rng: np.random.Generator, labels: ArrayLike, *, ipc: int, classes: int
) -> np.ndarray:
    """``ipc`` images of every class, uniformly and without replacement.

    Also the images that a distillation begins with.

    Args:
      rng: a ``numpy.random.Generator``.
      labels: [n] integers in 0..K-1.
      ipc: images to choose per class.
      classes: K.
    """

    def choose(members):
        return rng.choice(len(members), ipc, replace=False)

    return _per_class(choose, labels, ipc, classes)


def herding(features: ArrayLike, labels: ArrayLike, *, ipc: int, classes: int) -> np.ndarray:
    """The images whose running mean of features stays nearest to that of their class.

    Welling, "Herding Dynamical Weights to Learn", ICML 2009. With μ the mean of the class,
    choose in turn, after i images, the one not yet chosen that minimises
    ‖(i+1)·μ - Σ_chosen f - f_j‖: the greedy form that DC's author gives for the row of the papers
    (issue 15 of its code). Rebuffi et al., "iCaRL", CVPR 2017, scale every f to length 1 before;
    here, as there, f is taken as it is.

    Args:
      features: [n, D] floating, of a trained network; computed with in float64.
      labels, ipc, classes: as in every selection, see above.
    """
    features = _checked_features(features, labels)

    def choose(members):
        # About the mean the objective is ‖Σ_chosen g + g_j‖, which in its expanded form
        # is one matrix-vector product, and does not cancel where μ is large.
        centred, squares = _about_the_mean(features, members)
        total, chosen = np.zeros(centred.shape[1]), []
        for _ in range(ipc):
            distances = squares + 2 * (centred @ total)
            distances[chosen] = np.inf
            chosen.append(int(np.argmin(distances)))
            total += centred[chosen[-1]]
        return chosen

    return _per_class(choose, labels, ipc, classes)


def k_center(features: ArrayLike, labels: ArrayLike, *, ipc: int, classes: int) -> np.ndarray:
    """The image nearest the class mean, then repeatedly the one farthest from all chosen.

    Sener & Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set
    Approach", ICLR 2018: the greedy solution, class by class, begun as DC's author begins it
    (issue 21 of its code).

    Args:
      features: [n, D] floating, of a trained network; computed with in float64.
      labels, ipc, classes: as in every selection, see above.
    """
    features = _checked_features(features, labels)

    def choose(members):
        centred, squares = _about_the_mean(features, members)
        chosen = [int(np.argmin(squares))]
        nearest = np.full(len(members), np.inf)
        while len(chosen) < ipc:
            last = chosen[-1]
            to_last = squares - 2 * (centred @ centred[last]) + squares[last]
            nearest = np.minimum(nearest, to_last)
            nearest[chosen] = -np.inf  # a copy of a chosen image may be left, itself never
            chosen.append(int(np.argmax(nearest)))
        return chosen

    return _per_class(choose, labels, ipc, classes)


def forgetting(
    rng: np.random.Generator, counts: ArrayLike, labels: ArrayLike, *, ipc: int, classes: int
) -> np.ndarray:
    """The most forgotten images of every class; among equals chance decides.

    Toneva et al., "An Empirical Study of Example Forgetting during Deep Neural Network
    Learning", ICLR 2019.

    Args:
      rng: a ``numpy.random.Generator``.
      counts: [n], how often each image was forgotten: ``forgetting_counts``, or a sum or
        mean of them over several networks.
      labels, ipc, classes: as in every selection, see above.
    """
    if np.ndim(counts) != 1 or np.shape(counts) != np.shape(labels):
        raise ValueError(
            f"counts [n] and labels [n] have shapes {np.shape(counts)} and {np.shape(labels)}: "
            "give one count for each image"
        )
    falling = -np.asarray(counts, np.float64)  # floating: unsigned numbers have no negative

    def choose(members):
        by_chance = rng.permutation(len(members))
        order = np.argsort(falling[members[by_chance]], kind="stable")
        return by_chance[order][:ipc]

    return _per_class(choose, labels, ipc, classes)


def forgetting_counts(
    correct: ArrayLike, never_learned: Literal["last", "first"] = "last"
) -> np.ndarray:
    """How often each example went from correctly to incorrectly classified.

    Args:
      correct: [T, n] bool; whether the example was classified correctly when it was
        presented in epoch t, before the update.
      never_learned: an example that never was correct was never forgotten, so it gets 0; ``first``:
        T, more than any other can, as Toneva et al. have it, who look for what may be left out.

    Returns:
      [n] int64.

    Raises:
      ValueError: not [T, n] of bool, or T = 0.
    """
    correct = np.asarray(correct)
    if correct.ndim != 2 or correct.dtype != bool or not len(correct):
        raise ValueError(
            f"correct must be bool [T, n] with T of at least 1, got shape {correct.shape} "
            f"of {correct.dtype}: one row for each epoch"
        )
    events = np.sum(correct[:-1] & ~correct[1:], axis=0, dtype=np.int64)
    unlearned = 0 if never_learned == "last" else len(correct)
    return np.where(correct.any(axis=0), events, unlearned)


def _per_class(choose, labels, ipc, classes):
    """``choose(members) -> ipc positions in members``, the indices of a class, for each."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels must be integers [n], got shape {labels.shape} of {labels.dtype}: "
            "take the argmax of probabilities"
        )
    require_count(ipc=ipc, classes=classes)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"labels from {labels.min()} to {labels.max()} do not fit {classes} classes: "
            "number them from 0 to classes - 1"
        )
    members = [np.flatnonzero(labels == k) for k in range(classes)]
    for k, of_class in enumerate(members):
        if len(of_class) < ipc:
            raise ValueError(
                f"class {k} has {len(of_class)} images and ipc is {ipc}: take a smaller ipc"
            )
    return np.concatenate([of_class[choose(of_class)] for of_class in members])


def _about_the_mean(features, members):
    """The features of a class less their mean, [m, D] float64, and their squares [m]."""
    of_class = np.asarray(features[members], np.float64)
    centred = of_class - of_class.mean(axis=0, keepdims=True)
    return centred, np.einsum("nd,nd->n", centred, centred)


def _checked_features(features, labels):
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(
            f"features [n, D] and labels [n] have shapes {features.shape} and "
            f"{np.shape(labels)}: give one row of features for each image"
        )
    if not np.isfinite(features).all():
        raise ValueError(
            "features are not all finite: did the network that they come from diverge?"
        )
    return features
