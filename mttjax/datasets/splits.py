"""Choosing classes and splitting, without and with chance."""

import reprlib
from collections.abc import Sequence

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError

__all__ = ["check_classes", "keep_classes", "split_off", "take"]


def take(split: Split, indices: np.ndarray) -> Split:
    """The images and labels at ``indices``."""
    return Split(split.images[indices], split.labels[indices])


def split_off(
    labels: np.ndarray, fraction: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Splits each class by the same fraction.

    Args:
      labels: [n] int32.
      fraction: of each class to split off; above 0 a class of two or more gives at
        least one image and keeps at least one.
      rng: decides which.

    Returns:
      The indices kept and those split off, both ascending.
    """
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels) if fraction > 0 else ():
        members = np.flatnonzero(labels == label)
        if len(members) > 1:
            count = int(np.clip(round(fraction * len(members)), 1, len(members) - 1))
            held[rng.permutation(members)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def check_classes(classes: Sequence[int] | None, n_classes: int) -> tuple[int, ...]:
    """Returns the wanted class indices, all of them for None.

    Raises:
      InputError: not integers, one twice, one outside 0..n_classes-1.
    """
    if classes is None:
        return tuple(range(n_classes))
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)
    if not listed or not all(
        isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in classes
    ):
        found = reprlib.repr(classes)
        raise InputError(f"classes is {found}, expected class indices such as (0, 3, 5)")
    wanted = tuple(int(k) for k in classes)
    if len(set(wanted)) < len(wanted):
        raise InputError(f"classes {wanted} names a class twice")
    outside = [k for k in wanted if not 0 <= k < n_classes]
    if outside:
        raise InputError(f"classes has {outside[0]}, but the indices go from 0 to {n_classes - 1}")
    return wanted


def keep_classes(source: Source, classes: Sequence[int] | None) -> Source:
    """Keeps the given classes, renumbered 0..k-1 in the given order.

    Raises:
      InputError: as ``check_classes``.
    """
    if classes is None:
        return source
    wanted = check_classes(classes, len(source.class_names))
    new = np.full(len(source.class_names), -1, np.int32)
    new[list(wanted)] = np.arange(len(wanted))

    def keep(split: Split) -> Split:
        labels = new[split.labels]
        return take(Split(split.images, labels), labels >= 0)

    names = tuple(source.class_names[k] for k in wanted)
    return Source(names, keep(source.train), keep(source.test))
