"""The presets: the settings of a data set, and the published settings of every method."""

import dataclasses
import difflib
import os
import traceback
import types
from functools import wraps
from pathlib import Path

from mttjax.config.checks import check_settings
from mttjax.config.methods import METHODS, _row, published_settings
from mttjax.config.settings import Settings
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole

__all__ = ["load_preset", "preset_names", "preset_row", "settings_of"]


def settings_of(preset, ipc, method="mtt") -> Settings:
    """The settings of a preset for a method: MTT's row, or the published settings.

    A preset may change the published settings of a method by ``METHODS``: method -> ipc ->
    changed fields, the row of the nearest ipc below.

    Raises:
      InputError: an unknown method, the nearest name is given; or settings out of range.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"method {method!r}: {hint}There are {', '.join(METHODS)}")
    settings = preset.get_config(ipc)
    if method == settings.method:
        return settings
    rows = getattr(preset, "METHODS", {}).get(method)
    changes = _row(rows, ipc) if rows else {}
    distill = published_settings(method, ipc)
    fields = {field.name for field in dataclasses.fields(distill)}
    if unknown := sorted(set(map(str, changes)) - fields):
        raise InputError(f"the preset's METHODS[{method!r}] has no setting {', '.join(unknown)}")
    distill = dataclasses.replace(distill, **changes)
    settings = dataclasses.replace(settings, method=method, distill=distill)
    check_settings(settings)
    return settings


def preset_row(rows, ipc, **changes):
    """The row of a preset for ``ipc``; between two rows, or beyond, that of the nearest below.

    Args:
      rows: ipc -> ``Distill``.
      ipc: images per class.
      changes: fields that are the same in every row.
    """
    return dataclasses.replace(_row(rows, ipc), **changes)


def preset_folder():
    """Where the presets are: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    inside = here / "configs"
    return inside if inside.is_dir() else here.parent / "configs"


def preset_names():
    """The names that ``--config`` knows."""
    return sorted(p.stem for p in preset_folder().glob("*.py") if not p.stem.startswith("_"))


def load_preset(name):
    """The module of a preset: ``get_config(ipc) -> Settings`` and ``IPCS``.

    Args:
      name: a preset's name, or the path of a ``.py`` file of that form, which is run.

    Raises:
      InputError: no such preset or file, one that is not of that form, or one whose own code
        fails, then with the line. ``get_config`` raises it too, for settings out of range.
    """
    path = Path(name) if name.endswith(".py") else preset_folder() / f"{name}.py"
    known = preset_names()
    if not (os.path.isfile(path) if name.endswith(".py") else name in known):
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"--config {name!r}: no such preset; {hint}There are {', '.join(known)}; "
            "or give the path of a .py file"
        )
    module = types.ModuleType(f"mttjax_preset_{path.stem}")
    module.__file__ = str(path)
    # Not by an import: that would leave a __pycache__ beside the user's file.
    _told(path, lambda: exec(compile(path.read_bytes(), str(path), "exec"), vars(module)))
    _check_module(path, module)
    module.get_config = _checked(path, module.get_config)
    return module


def _check_module(path, module):
    if not callable(getattr(module, "get_config", None)):
        raise InputError(f"{path}: a preset needs a function get_config(ipc)")
    ipcs = getattr(module, "IPCS", None)
    whole = isinstance(ipcs, tuple | list) and all(is_whole(ipc) and ipc >= 1 for ipc in ipcs)
    if not (whole and ipcs):
        raise InputError(f"{path}: a preset needs IPCS, numbers of images per class, as (1, 10)")
    if not _are_rows(getattr(module, "METHODS", {})):
        raise InputError(f"{path}: METHODS must be method -> images per class -> changed settings")


def _are_rows(methods):
    """Whether it is method -> ipc -> name of a setting -> value."""
    if not isinstance(methods, dict) or not all(isinstance(r, dict) for r in methods.values()):
        return False
    each = [(ipc, changes) for rows in methods.values() for ipc, changes in rows.items()]
    return all(is_whole(ipc) and isinstance(changes, dict) for ipc, changes in each)


def _checked(path, get_config):
    """``get_config`` of a preset, its settings checked."""

    @wraps(get_config)
    def run(*ipc):
        settings = _told(path, lambda: get_config(*ipc))
        try:
            check_settings(settings)
        except InputError as error:
            raise InputError(f"{path}: of get_config{ipc}: {error}") from error
        if ipc and settings.ipc != ipc[0]:
            raise InputError(f"{path}: get_config{ipc} is for {settings.ipc} images per class")
        return settings

    return run


def _told(path, function):
    """What a function of the user's returns; whatever it raises is told with file and line."""
    try:
        return function()
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or (own[-1] if own else None)
        where = f"{path}, line {line}" if line else str(path)
        raise InputError(f"{where}: {type(error).__name__}: {error}") from error
