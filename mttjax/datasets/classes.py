"""Choosing classes, by their names or by their indices."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mttjax.datasets.dataset import Source, Split, take
from mttjax.datasets.names import composed
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.text import did_you_mean, shown

__all__ = ["Choice", "choose_classes", "keep_classes"]


class Choice(NamedTuple):
    """Which classes are kept, and in which order."""

    indices: tuple[int, ...]
    how: str
    """How they were chosen, such as "by index 3, 5"; empty where all are kept."""


def choose_classes(classes: Sequence[str | int] | None, names: Sequence[str]) -> Choice:
    """The wanted classes, all of them for None.

    Numbers are indices. Text is a class's name where all that is given are names, whatever
    their digits: of the folders 0 to 11, "2" and "10" are those two. Digits that are nobody's
    name are indices.

    Args:
      classes: names or indices.
      names: of all classes, in the order of their indices.

    Raises:
      InputError: neither names nor indices, some of each, an unknown name, one twice, an index
        outside of 0..K-1.
    """
    if classes is None:
        return Choice(tuple(range(len(names))), "")
    listed = isinstance(classes, Sequence | np.ndarray) and not isinstance(classes, str)
    if not listed or not all(is_whole(k) or isinstance(k, str) for k in classes):
        raise InputError(
            f"classes is {shown(classes)}, expected names of classes, or indices such as (0, 3, 5)"
        )
    known = {composed(name): index for index, name in reversed(list(enumerate(names)))}
    given = [composed(k) if isinstance(k, str) else int(k) for k in classes]
    strange = [k for k in given if k not in known]
    if given and not strange:
        wanted, how = tuple(known[str(k)] for k in given), "by name"
    elif len(strange) == len(given) and all(_is_index(k) for k in given):
        wanted, how = tuple(map(int, given)), f"by index {_few(given)}"
    else:
        name = next((k for k in strange if not _is_index(k)), strange[0])
        raise InputError(
            f"classes has {shown(name)}, which is no class: {_near(name, names)}. Give names "
            "only, or indices only"
        )
    if len(set(wanted)) < len(wanted):
        raise InputError(f"classes {tuple(given)} names a class twice")
    outside = [k for k in wanted if not 0 <= k < len(names)]
    if outside:
        raise InputError(f"classes has {outside[0]}, but the indices go from 0 to {len(names) - 1}")
    return Choice(wanted, how)


def _is_index(value: str | int) -> bool:
    # Nine digits: more are no index, and int() takes a second over a million.
    return not isinstance(value, str) or (value.isdecimal() and value.isascii() and len(value) < 10)


def _near(name: object, names: Sequence[str]) -> str:
    text = did_you_mean(name, names)
    return text if len(text) <= 400 else f"{text[:397]}..."


def _few(values: Sequence[object]) -> str:
    """The first ten of them."""
    return ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")


def keep_classes(source: Source, classes: Sequence[str | int] | None) -> Source:
    """Keeps the given classes, renumbered 0..k-1 in the given order.

    Raises:
      InputError: as ``choose_classes``.
    """
    if classes is None:
        return source
    wanted, how = choose_classes(classes, source.class_names)
    new = np.full(len(source.class_names), -1, np.int32)
    new[list(wanted)] = np.arange(len(wanted))

    def keep(split: Split) -> Split:
        labels = new[split.labels]
        return take(Split(split.images, labels), labels >= 0)

    return source._replace(
        class_names=tuple(source.class_names[k] for k in wanted),
        train=keep(source.train),
        test=keep(source.test),
        validation=None if source.validation is None else keep(source.validation),
        origins={**source.origins, "classes": how},
    )
