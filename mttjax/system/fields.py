"""Settings that exist are valid: what a field may hold stands at the field.

    @dataclass(frozen=True)
    class Options(Checked):
        steps: Annotated[int, COUNT] = 5000

``Options(steps=0)`` raises ``InputError``; a command line that says so gets it as a message.
"""

import dataclasses
import functools
import math
import numbers
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from mttjax.system.errors import InputError
from mttjax.system.text import is_printable, shown

__all__ = [
    "COUNT",
    "COUNT_OR_ZERO",
    "NOT_NEGATIVE",
    "POSITIVE",
    "SEED",
    "SHARE",
    "SHARE_BELOW_ONE",
    "Checked",
    "Range",
    "described",
    "is_whole",
    "require_count",
]

LONGEST_TEXT = 4096


class Range(NamedTuple):
    """Numbers from ``low`` to ``high``; without ``high`` itself where it is ``below``."""

    low: float
    high: float
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in it; no NaN is."""
        return self.low <= value <= self.high and not (self.below and value == self.high)

    def __str__(self) -> str:
        if self.below:
            return f"at least {self.low:g} and below {self.high:g}"
        # A short power of ten where the digits would have to be counted.
        low, high = (f"{x:g}" if abs(x) > 10**5 else f"{x}" for x in self[:2])
        return f"from {low} to {high}"


COUNT, COUNT_OR_ZERO = Range(1, 10**9), Range(0, 10**9)
"""JAX counts steps and images in 32 bits."""
POSITIVE, NOT_NEGATIVE = Range(1e-30, 1e30), Range(0, 1e30)
"""What float32 holds."""
SHARE, SHARE_BELOW_ONE = Range(0, 1), Range(0, 1, below=True)
SEED = Range(0, 2**32 - 1)
"""JAX takes the lower 32 bits of a larger one: two seeds would be one."""


def is_whole(value: object) -> bool:
    """Whether ``value`` is a whole number, Python's or NumPy's; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def require_count(**counts: object) -> None:
    """Raises ``ValueError`` unless each is a whole number of at least 1, below 2**31."""
    for name, count in counts.items():
        if not is_whole(count) or not 1 <= count < 2**31:  # type: ignore[operator]
            raise ValueError(f"{name} is {shown(count)}: must be a whole number of at least 1")


class Checked:
    """Base of the dataclasses of settings and options: each field is of its type and range.

    Raises:
      InputError: a field of another type, or out of its range; it is named.
    """

    def __post_init__(self) -> None:
        for name, (hint, limits) in _fields(type(self)).items():  # type: ignore[arg-type]
            value = getattr(self, name)
            if not _fits(value, hint, limits):
                raise InputError(f"{name} is {shown(value)}: must be {_expected(hint, limits)}")


def described(cls: type[Checked]) -> dict[str, str]:
    """name -> in words what a field may be, as the message says that refuses another value."""
    fields = _fields(cls)  # type: ignore[arg-type]
    return {name: _expected(*what) for name, what in fields.items()}


@functools.cache
def _fields(cls: Any) -> dict[str, tuple[Any, Range | None]]:
    """name -> (its type, its range) of every field of a dataclass."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {}
    for field in dataclasses.fields(cls):
        hint, limits = hints[field.name], None
        if typing.get_origin(hint) is Annotated:
            hint, *extras = typing.get_args(hint)
            limits = next((extra for extra in extras if isinstance(extra, Range)), None)
        fields[field.name] = hint, limits
    return fields


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
        return isinstance(value, int) and is_whole(value) and (limits or COUNT_OR_ZERO).holds(value)
    if hint is float:
        number = is_whole(value) or (isinstance(value, float) and math.isfinite(value))
        return number and (limits or NOT_NEGATIVE).holds(value)
    if hint is str or hint is Path:
        return isinstance(value, str | Path) and _is_text(str(value))
    # A type variable, such as the settings of a method, is looked at by who knows the method.
    return isinstance(hint, typing.TypeVar) or isinstance(value, hint)


def _is_text(value):
    """Whether a file can hold it and a file name can be made of it."""
    return is_printable(value) and len(value.encode()) <= LONGEST_TEXT


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
        usual = COUNT_OR_ZERO if hint is int else NOT_NEGATIVE
        return f"a {'whole ' if hint is int else ''}number {limits or usual}"
    if hint is str or hint is Path:
        return f"text of at most {LONGEST_TEXT} bytes, without control characters"
    return _WORDS.get(hint) or f"{getattr(hint, '__name__', hint)}"
