"""Every setting and every preset as tables, made from the code."""

import ast
import dataclasses
import inspect
import itertools
import textwrap

from mttjax.config import Data, Experts, NetworkSpec, Protocol, Run, Settings
from mttjax.config.methods import KINDS, TITLES
from mttjax.config.presets import load_preset, preset_names
from mttjax.system.fields import described

__all__ = ["settings_tables"]

GROUPS = {
    "data": Data,
    "network": NetworkSpec,
    "experts": Experts,
    "evaluate": Protocol,
    "run": Run,
}
"""The groups of ``Settings`` but for ``distill``, which has a class for each kind of method."""

SHORTER = {
    "text of at most 4096 bytes, without control characters": "text",
    "from 1 to 1e+09": "of at least 1",
    "from 0 to 1e+09": "of at least 0",
    "from 0 to 4.29497e+09": "from 0, below 2³²",
    "from 1e-30 to 1e+30": "above 0",
    "from 0 to 1e+30": "of at least 0",
}
"""What messages say of limits that nobody meets -> what the tables say."""


def settings_tables() -> str:
    """Every setting with its type, range and default; every preset with its rows."""
    methods = {}
    for method, kind in KINDS.items():
        methods.setdefault(kind, []).append(method)
    parts = [
        *_group("All of a run", "", Settings),
        *(part for name, kind in GROUPS.items() for part in _group(f"`{name}`", name, kind)),
        "## `distill`",
        "What it holds goes by the method.",
    ]
    for kind, names in methods.items():
        title = ", ".join(TITLES[name] for name in names)
        parts += _group(title, "distill", kind, level=3)
    parts += [
        "## Presets",
        "What each preset sets otherwise than the defaults above, for MTT, by images per class. "
        "`mttjax distill --config NAME --ipc N --method METHOD --print` prints another method's.",
        *(part for name in preset_names() for part in _preset(name)),
    ]
    return "\n\n".join(parts) + "\n"


def _group(title, name, kind, level=2):
    words, about = described(kind), _docstrings(kind)
    rows = []
    for field in dataclasses.fields(kind):
        if field.name in (*GROUPS, "distill") and kind is Settings:
            continue
        option = "--" + ".".join(filter(None, (name, field.name))).replace("_", "-")
        text = about.get(field.name, "").replace("\n", " ")
        rows.append((f"`{option}`", _shortened(words[field.name]), _default(field), text))
    head = ("option", "is", "default", "")
    return [f"{'#' * level} {title}", inspect.cleandoc(kind.__doc__ or ""), _table(head, rows)]


def _shortened(words):
    for long, short in SHORTER.items():
        words = words.replace(long, short)
    return words


def _default(field):
    made = field.default_factory is not dataclasses.MISSING
    return _value(field.default_factory() if made else field.default)


def _value(value):
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        changed = {n: v for n, v in value.items() if v != getattr(Protocol(), n)}
        return ", ".join(f"{name} {_value(x)}" for name, x in changed.items()) or "as `evaluate`"
    if isinstance(value, tuple):
        return " ".join(map(_value, value)) or "none"
    if value is None or value is True or value is False:
        return f"`{value}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _preset(name):
    preset = load_preset(name)
    usual, columns = _flat(Settings()), [_flat(preset.settings(ipc)) for ipc in preset.ipcs]
    kept = [key for key in usual if any(c[key] != usual[key] for c in columns) and key != "ipc"]
    rows = [(f"`{key}`", *(_value(column[key]) for column in columns)) for key in kept]
    head = ("", *(f"{ipc} per class" for ipc in preset.ipcs))
    return [f"### {name}", _table(head, rows)]


def _flat(settings):
    flat = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in (*GROUPS, "distill"):
            flat |= {
                f"{field.name}.{f.name}": getattr(value, f.name) for f in dataclasses.fields(value)
            }
        else:
            flat[field.name] = value
    del flat["name"]
    return flat


def _docstrings(kind):
    """name -> the text below a field, of a dataclass and of those that it extends."""
    found = {}
    for cls in reversed(kind.__mro__[:-1]):
        if not dataclasses.is_dataclass(cls):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
        for field, text in itertools.pairwise(body):
            says = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and says:
                found[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _table(head, rows):
    escaped = [[str(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([lines[0], "|" + ":--|" * len(head), *lines[1:]])
