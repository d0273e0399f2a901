"""What a field of options may hold: its type from its annotation, its range from a table."""

import dataclasses
import math
import types
import typing
from pathlib import Path
from typing import Literal, NamedTuple

from mttjax.system.errors import InputError

__all__ = ["Range", "check_fields", "is_whole", "shown"]

LONGEST_TEXT = 4096


class Range(NamedTuple):
    """Numbers from ``low`` to ``high``; without ``high`` itself where it is ``below``."""

    low: float
    high: float
    below: bool = False

    def holds(self, value):
        """Whether ``value`` is in it; no NaN is."""
        return self.low <= value <= self.high and not (self.below and value == self.high)

    def __str__(self):
        if self.below:
            return f"at least {self.low:g} and below {self.high:g}"
        # A short power of ten where the digits would have to be counted.
        low, high = (f"{x:g}" if abs(x) > 10**5 else f"{x}" for x in self[:2])
        return f"from {low} to {high}"


def is_whole(value):
    """Whether ``value`` is an ``int``; a bool is none, and NumPy's cannot be written as JSON."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_fields(options, ranges, prefix="--"):
    """Checks every field of a dataclass, and of the dataclasses in it.

    Args:
      options: an instance; its annotations say of which type a field is.
      ranges: name -> ``Range`` of each number, or of each in a tuple. A name may be dotted,
        ``outer.inner``, where the number has another range in ``outer`` than elsewhere.
      prefix: how messages begin; the field's name follows as a command's option has it.

    Raises:
      InputError: a field of another type, or out of its range; the option is named.
    """
    hints = typing.get_type_hints(type(options))
    for field in dataclasses.fields(options):
        value, name = getattr(options, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            if not _fits(value, hints[field.name], None):
                raise InputError(f"{_flag(name)}: holds {type(value).__name__}")
            check_fields(value, ranges, f"{name}.")
            continue
        short = ".".join(name.strip("-").split(".")[-2:])
        limits = ranges.get(short) or ranges.get(field.name)
        if not _fits(value, hints[field.name], limits):
            wanted = _expected(hints[field.name], limits)
            raise InputError(f"{_flag(name)} {shown(value)}: must be {wanted}")


def _flag(name):
    return name.replace("_", "-")


def shown(value):
    """The value as it was typed where it is a number or a tuple, else quoted."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value)) or "(nothing)"
    try:
        text = repr(value)
    except Exception:  # whatever a preset puts in the place of a number; an int of 5000 digits
        return f"(a {type(value).__name__})"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fits(value, hint, limits):
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return any(type(value) is type(known) and value == known for known in inside)
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, one, limits) for one in inside)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(x, inside[0], limits) for x in value)
    return _is_one(value, hint, limits)


def _is_one(value, hint, limits):
    if hint is int:
        return is_whole(value) and limits.holds(value)
    if hint is float:
        number = is_whole(value) or (isinstance(value, float) and math.isfinite(value))
        return number and limits.holds(value)
    if hint is str or hint is Path:
        return isinstance(value, str | Path) and _is_text(str(value))
    # A type variable, such as the settings of a method, is looked at by who knows the method.
    return isinstance(hint, typing.TypeVar) or isinstance(value, hint)


def _is_text(value):
    """Whether a file can hold it and a file name can be made of it."""
    try:
        return len(value.encode()) <= LONGEST_TEXT and "\0" not in value
    except UnicodeEncodeError:
        return False


_WORDS = {bool: "True or False", type(None): "None"}


def _expected(hint, limits):
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, inside))}"
    if origin in (types.UnionType, typing.Union):
        return ", or ".join(_expected(one, limits) for one in inside)
    if origin is tuple:
        return f"a list, each {_expected(inside[0], limits)}"
    if hint in (int, float):
        return f"a {'whole ' if hint is int else ''}number {limits}"
    if hint is str or hint is Path:
        return f"text in UTF-8 of at most {LONGEST_TEXT} bytes"
    return _WORDS.get(hint) or f"{getattr(hint, '__name__', hint)}"
