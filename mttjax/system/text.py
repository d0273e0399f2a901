"""Words of strangers, and words for them."""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["did_you_mean", "flat", "is_printable", "printable", "shown"]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """``did you mean 'x'? There are x, y, z``: the end of a message about an unknown name."""
    known = list(known)
    near = difflib.get_close_matches(str(name)[:80].lower(), known, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}There are {', '.join(known)}"


def is_printable(text: str) -> bool:
    """Whether a terminal shows ``text`` and obeys none of it, and UTF-8 can hold it."""
    return all(unicodedata.category(c) not in ("Cc", "Cs") for c in text)


def printable(text: str) -> str:
    """``text`` with everything that a terminal would obey, but line ends, as its code."""
    return "".join(c if c == "\n" or is_printable(c) else repr(c)[1:-1] for c in text)


def shown(value: object) -> str:
    """A value in a message: a number or a tuple as it was typed, anything else quoted and short."""
    if isinstance(value, tuple):
        return " ".join(map(shown, value)) or "(nothing)"
    try:
        text = repr(value)
    except Exception:  # whatever a preset puts in the place of a number; an int of 5000 digits
        return f"(a {type(value).__name__})"
    return text if len(text) <= 60 else f"{text[:57]}..."


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested JSON objects by their dotted names."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        nested = isinstance(value, dict) and value
        leaves |= flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return leaves
