"""The options of the commands by their dataclasses, and values that nobody means."""

import dataclasses
import types
import typing
from pathlib import Path

from hypothesis import strategies as st

from benchmarks.torture.inputs_values import NAMES

__all__ = ["flags_of", "option"]

# Nothing between 3 and what is out of every range: it would work, and take too long.
INTS = (
    *("0", "1", "2", "3", "1", "2", "3", "1", "2"),
    *("-1", "0", "1", "2", "3", "nan", "1e400", "99999999999", "4294967296", "9" * 30, "9" * 5000),
    *("٣", "", "None", "abc", "1.5", "0x10", "-0", "+1", " 1", "1 2", "True", "--", "\udcff"),
)
FLOATS = (
    *("0.01", "0.1", "0.25", "0.5", "0.9", "1"),
    *("nan", "inf", "-inf", "1e400", "-1e400", "-1", "0", "-0.0", "1e-320", "1e31", "1e-31"),
    *("0.05", "0.5", "1", "", "None", "abc", "1,5", "0x1p-3", "infinity", "1e", "9" * 5000),
)
WORDS = (
    *("data.npz", "a file", "a folder", "tiny.py", "experts", "runs/tiny-ipc1", "/dev/null/x"),
    *("new2/x", "convnet", "resnet18", "convnet-w1", "convnet-d9", "width", "mtt", "digits"),
    *("image_folder", "arrays", "imagenet", "crop", "flip crop", "x.png", "a folder/x.png"),
    *("convnet-d" + "9" * 5000, "convnet-w99999999", "runs/tiny-ipc1/last.npz", "/proc/version"),
)
BOOLS = ("True", "False", "", "None", "1", "yes")


def flags_of(options, prefix="--"):
    """[(flag, type)] of every option of a dataclass, and of those in it."""
    hints, found = typing.get_type_hints(type(options)), []
    for field in dataclasses.fields(options):
        name = prefix + field.name.replace("_", "-")
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            found += flags_of(value, f"{name}.")
        elif name not in ("--method", "--ipc"):
            found.append((name, hints[field.name]))
    return found


@st.composite
def option(draw, flag, hint):
    """The arguments that give an option a value."""
    if flag == "--data.download":  # nothing here may reach for the network
        return [flag, "maybe"]
    kind, many = _kind(hint)
    if kind is bool and draw(st.booleans()):
        head, _, tail = flag.removeprefix("--").rpartition(".")
        negative = f"--{head}{'.' if head else ''}no-{tail}"
        return [draw(st.sampled_from([flag, negative]))]
    one = _values(kind)
    values = draw(st.lists(one, max_size=3)) if many else [draw(one)]
    if draw(st.integers(0, 7)) == 0:
        values = values[:0]
    if len(values) == 1 and draw(st.integers(0, 3)) == 0:
        return [f"{flag}={values[0]}"]
    return [flag, *values]


def _kind(hint):
    """(the type of one value, whether there are several)."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    return hint, False


def _values(kind):
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from([*typing.get_args(kind), "MSE", "", "None", "0"])
    pools = {int: INTS, float: FLOATS, bool: BOOLS, str: NAMES + WORDS, Path: NAMES + WORDS}
    return st.sampled_from(pools.get(kind, NAMES))
