"""Values that nobody means, for arrays, settings, JSON and the options of commands."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

__all__ = ["ANYTHING", "NAMES", "TEXTS", "Target", "arrays", "changed_json"]


class Target(NamedTuple):
    """Something that is given bad input."""

    name: str
    cases: int
    """How many cases the full size has."""
    strategy: Any
    attempt: Callable
    """``attempt(case)``: whether it worked; False: it was refused."""
    documented: tuple
    """The exceptions that say so too."""


NAMES = (
    "",
    " ",
    ".",
    "..",
    "../../x",
    "/dev/null",
    "/proc/self/mem",
    "None",
    "null",
    "nan",
    "a/b",
    "~",
    "*",
    "%s",
    "{}",
    "a\nb",
    "a\x1b[31mb",
    "\x7f",
    "ä ö",
    "名前",
    "🎲",
    "\u202eabc",
    "x" * 300,
    "-",
    "--",
    "CON",
    "a\\b",
    "'",
    '"',
    "<b>",
    "\udcff",
    "a" * 5000,
)

TEXTS = st.sampled_from(NAMES) | st.text(max_size=8)

NUMBERS = st.sampled_from(
    [
        -1,
        0,
        1,
        2,
        3,
        10**9,
        10**9 + 1,
        2**31,
        2**32 - 1,
        2**32,
        2**63,
        2**64,
        10**30,
        -(2**63),
        0.0,
        -0.0,
        0.5,
        1.0,
        1.5,
        -1.0,
        1e-320,
        1e-30,
        1e30,
        1e31,
        1e308,
        float("nan"),
        float("inf"),
        float("-inf"),
        True,
        False,
    ]
)

ANYTHING = st.one_of(
    NUMBERS,
    TEXTS,
    st.none(),
    st.sampled_from([(), (1,), (0, 0), ("crop",), ("crop", "crop"), [], [1], {}, {"a": 1}, b"x"]),
    st.builds(object),
    st.builds(lambda: 10**5000),
    st.builds(lambda: np.int64(3)),
    st.builds(lambda: np.zeros(2)),
)

DTYPES = ("float32", "float16", "float64", "int32", "uint8", "bool", "complex64", "int64")


@st.composite
def arrays(draw, shape, dtypes=DTYPES, most=4):
    """An array near ``shape``: of it, of another size or rank; of any dtype and content."""
    kind = draw(st.sampled_from(["same", "same", "sizes", "rank"]))
    if kind == "sizes" and shape:
        shape = list(shape)
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(0, most))
    if kind == "rank":
        shape = draw(st.lists(st.integers(0, most), max_size=5))
    fill = draw(st.sampled_from([0, 1, 0.25, -1, 3, 255, np.nan, np.inf, 1e38]))
    with np.errstate(all="ignore"):
        return np.full(tuple(shape), fill).astype(draw(st.sampled_from(dtypes)))


_JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2**31, 10**30, 1.5, float("nan"), 1e308]),
    TEXTS.filter(lambda text: text.isprintable()),
    st.sampled_from([[], {}, [1], {"a": {}}, [[]]]),
)


@st.composite
def changed_json(draw, value):
    """``value`` with up to three of its members, at any depth, replaced, removed or added."""
    value = _copy(value)
    for _ in range(draw(st.integers(1, 3))):
        value = _change(draw, value)
    return value


def _copy(value):
    if isinstance(value, dict):
        return {name: _copy(x) for name, x in value.items()}
    return list(map(_copy, value)) if isinstance(value, list) else value


def _change(draw, value):
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 4)) == 0:
        return _copy(draw(_JSON | st.integers(1, 400).map(_nested)))
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    what = draw(st.sampled_from(["inside", "inside", "inside", "remove", "add"]))
    if what == "inside":
        value[key] = _change(draw, value[key])
    elif what == "remove":
        del value[key]
    elif isinstance(value, dict):
        value[draw(TEXTS)] = _copy(draw(_JSON))
    else:
        value.append(_copy(draw(_JSON)))
    return value


def _nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value
