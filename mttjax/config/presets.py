"""The presets: the settings of a data set, for every method and every number of images."""

import dataclasses
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mttjax.config.methods import MATCHING, TITLES, Loop, require_method
from mttjax.config.published import (
    published_preprocessing,
    published_settings,
    published_sizes,
    row_for,
)
from mttjax.config.settings import Settings, settings_from
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.text import did_you_mean

__all__ = ["Preset", "load_preset", "preset_names", "preset_row"]

L = TypeVar("L", bound=Loop)


class Preset(NamedTuple):
    """What a preset's module or a file of settings holds."""

    ipcs: tuple[int, ...]
    """Images per class that it has rows for; the first is the default."""
    get_config: Callable[[int], Settings]
    """The settings for so many, of MTT or of the one method that the file is for."""
    methods: Mapping[str, Mapping[int, Mapping[str, Any]]]
    """method -> ipc -> what differs from the published settings; the row of the nearest ipc
    below serves those between."""
    method: str = "mtt"
    """The method that ``get_config`` gives the settings of."""
    others: Mapping[str, Any] = types.MappingProxyType({})
    """How the other methods see the images, where MTT alone does so in its own way:
    ``preprocessing``, and ``statistics`` as in ``Data``."""
    fit: Callable[[Settings, Collection[str]], Settings] | None = None
    """``fit(settings, given)``: what follows from the real images, but for the settings that are
    given; None where nothing does."""

    def fitted(self, settings: Settings, arguments: Iterable[str]) -> Settings:
        """The settings as they suit their images; those that a command's arguments say stay."""
        if self.fit is None:
            return settings
        options = (a.partition("=")[0] for a in arguments if a.startswith("--"))
        return self.fit(settings, {o.removeprefix("--").replace("-", "_") for o in options})

    def settings(self, ipc: int | None = None, method: str | None = None) -> Settings:
        """The settings for a number of images per class and a method; None: the preset's.

        Raises:
          InputError: an unknown method, or a change of a setting that the method does not have.
        """
        ipc, method = self.ipcs[0] if ipc is None else ipc, method or self.method
        require_method(method)
        settings = self.get_config(ipc)
        if method == settings.method:
            return settings
        distill = published_settings(method, ipc, settings.data.dataset)
        rows = self.methods.get(method)
        changes = row_for(rows, ipc) if rows else {}
        known = {field.name for field in dataclasses.fields(distill)}
        if unknown := sorted(set(changes) - known):
            raise InputError(
                f"METHODS[{method!r}] of the preset has {', '.join(unknown)}, which is no "
                f"setting of {method}"
            )
        distill = dataclasses.replace(distill, **changes)
        if method in MATCHING:
            return _matching(settings, method, distill)
        # The experts see the images as MTT does, whose they are.
        preprocessing, statistics = settings.preprocessing, settings.data.statistics
        others = self.others
        return dataclasses.replace(
            settings,
            method=method,
            distill=distill,
            preprocessing=others.get("preprocessing", preprocessing),
            data=dataclasses.replace(
                settings.data, statistics=others.get("statistics", statistics)
            ),
            experts=dataclasses.replace(
                settings.experts, preprocessing=preprocessing, statistics=statistics
            ),
        )

    def note(self, ipc: int, method: str) -> str:
        """A line where nothing is published for a method and so many images; else empty."""
        if method == self.method and self.fit:
            return ""  # nothing is published of the user's own images
        sizes = (
            self.ipcs
            if method == self.method
            else published_sizes(method, self.get_config(ipc).data.dataset)
        )
        if not sizes or ipc in sizes:
            return ""
        taken = row_for({size: size for size in sizes}, ipc)
        known = ", ".join(map(str, sizes))
        return (
            f"{TITLES[method]} at {ipc} per class: no published setting (there is one for "
            f"{known}); that of {taken} is taken"
        )


def _matching(settings, method, distill):
    """Experts of their own, flat ones, which see the images as the method was published."""
    seen = published_preprocessing(method, settings.data.dataset) or settings.preprocessing
    experts = dataclasses.replace(settings.experts, flat="gsam")
    return dataclasses.replace(
        settings, method=method, distill=distill, preprocessing=seen, experts=experts
    )


def preset_row(rows: Mapping[int, L], ipc: int, **changes: Any) -> L:
    """The row of a preset for ``ipc``; between two rows, or beyond, that of the nearest below.

    Args:
      rows: ipc -> settings of a method.
      ipc: images per class.
      changes: fields that are the same in every row.
    """
    return dataclasses.replace(row_for(rows, ipc), **changes)


def preset_folder() -> Path:
    """Where the presets are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """The names that ``load_preset`` knows."""
    return sorted(p.stem for p in preset_folder().glob("*.py") if not p.stem.startswith("_"))


def load_preset(name: str) -> Preset:
    """A preset by its name, or by the path of a file.

    Args:
      name: a preset's name; or a ``.py`` file with ``get_config(ipc) -> Settings`` and ``IPCS``
        (and ``METHODS``, ``OTHERS`` and ``fit``, as in ``Preset``, where it needs them), which is
        run and whose own errors are its own; or a ``.json`` with settings, such as
        ``distill --print`` and a run's ``config.json``.

    Raises:
      InputError: no such preset or file, or one that is not of that form.
    """
    if name.endswith(".json"):
        return _from_json(Path(name))
    own_file = name.endswith(".py")
    path = Path(name) if own_file else preset_folder() / f"{name}.py"
    if not (path.is_file() if own_file else name in preset_names()):
        raise InputError(
            f"config is {name!r}: no such preset; {did_you_mean(name, preset_names())}; "
            "or give the path of a .py or .json file"
        )
    return _from_module(path)


def _from_module(path):
    module = types.ModuleType(f"mttjax_preset_{path.stem}")
    module.__file__ = str(path)
    # Not by an import: that would leave a __pycache__ beside the user's file.
    exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    ipcs, get_config = getattr(module, "IPCS", None), getattr(module, "get_config", None)
    if not ipcs or not callable(get_config):
        raise InputError(
            f"{path}: a preset needs get_config(ipc), which returns Settings, and IPCS, the "
            "numbers of images per class, such as (1, 10)"
        )

    def checked(ipc):
        settings = get_config(ipc)
        if not isinstance(settings, Settings) or settings.ipc != ipc:
            raise InputError(f"{path}: get_config({ipc}) must return Settings with ipc {ipc}")
        return settings

    methods, others = getattr(module, "METHODS", {}), getattr(module, "OTHERS", {})
    fit = getattr(module, "fit", None)
    return Preset(tuple(ipcs), checked, methods, others=others, fit=fit)


def _from_json(path):
    record = read_json(path)
    try:
        settings = settings_from(record)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error

    def checked(ipc):
        if ipc != settings.ipc:
            raise InputError(f"{path} is for ipc {settings.ipc}, not {ipc}")
        return settings

    return Preset((settings.ipc,), checked, {}, settings.method)
