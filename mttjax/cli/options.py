"""What several commands share: where images are and files go, and the settings of a preset."""

import argparse
import dataclasses
import difflib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tyro

from mttjax.config.methods import METHODS
from mttjax.config.presets import Preset, load_preset, preset_names
from mttjax.config.settings import Data, Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.system.errors import InputError
from mttjax.system.fields import Checked

__all__ = [
    "PresetSettings",
    "RealData",
    "preset_settings",
    "print_settings",
    "require_config",
    "require_folder",
]

MOST_BYTES = 200  # of a name: a file system holds 255, and temporary files have longer ones


@dataclasses.dataclass(frozen=True)
class RealData(Checked):
    """Where the real images come from."""

    dataset: str | None = None
    """The name of the data set. None: that of the sets, or of the preset."""
    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""

    @property
    def source(self) -> dict[str, Any]:
        """As ``real_data_of`` takes it."""
        return {"name": self.dataset, "folder": self.dir, "download": self.download}

    def over(self, data: Data) -> Data:
        """``data`` with what was given here."""
        return dataclasses.replace(
            data,
            dataset=self.dataset or data.dataset,
            dir=self.dir or data.dir,
            download=self.download or data.download,
        )


def require_folder(option: str, path: str | Path | None) -> None:
    """Raises ``InputError`` unless ``path`` is a folder that can be written to, or can be made.

    It is looked at before a command works for hours.

    Args:
      option: how it was given, such as ``--to``.
      path: the folder; None: nothing was given.
    """
    if path is None:
        return
    if not str(path).strip():
        raise InputError(f"{option} {str(path)!r}: give the name of a folder")
    place = Path(path).absolute()
    for name in place.parts:
        if len(os.fsencode(name)) > MOST_BYTES:
            raise InputError(f"{option} {name[:20]}...: too long a name; give a shorter one")
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise InputError(f"{option} {path}: {place} is not a folder; give another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: {place} cannot be written to; give another folder")


class PresetSettings(NamedTuple):
    """What the options of a command choose."""

    settings: Settings
    preset: Preset
    one_row: bool
    """Whether ``--ipc`` was given."""
    only_print: bool
    """Whether ``--print`` was."""


def preset_settings(command: str, arguments: Sequence[str], more: str = "") -> PresetSettings:
    """The settings that ``--config``, ``--ipc`` and ``--method`` choose, changed by the others.

    Raises:
      InputError: no such preset, method or row, or a folder that cannot be written to.
      SystemExit: an option that is wrong, which was said, or ``--help``.
    """
    names = ", ".join(preset_names())
    first = argparse.ArgumentParser(prog=command, add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    first.add_argument("--ipc", type=int)
    first.add_argument("--method")
    first.add_argument("--network")
    first.add_argument("--print", action="store_true")
    chosen, rest = first.parse_known_args(arguments)
    if chosen.config is None:
        require_config(rest)
        chosen.config = "digits"
    preset = load_preset(chosen.config)
    default = preset.settings(chosen.ipc, chosen.method)
    if chosen.network is not None and not _asks_help(rest):
        default = dataclasses.replace(default, network=_own(chosen.network, default.network))
    kind: Any = Settings[type(default.distill)]  # type: ignore[misc]
    settings = tyro.cli(
        kind,
        default=default,
        args=rest,
        prog=command,
        description=f"--config NAME|FILE chooses a preset ({names}, or a .py or .json file), "
        f"--ipc N its row, --method NAME a method ({', '.join(METHODS)}); every option below "
        "changes a setting of it, and the defaults shown are the preset's. --print only prints "
        "all settings, as a file that --config takes back. --network FILE.py:FUNCTION takes a "
        "network of your own, whose file is run. With --minutes N it ends in time, all saved, and "
        "goes on when it is typed again. --quiet prints errors alone, --verbose details too. "
        f"{more}",
    )
    settings = preset.fitted(settings, rest)
    require_folder("--run.folder", settings.run.folder)
    require_folder("--experts.folder", settings.experts.folder)
    return PresetSettings(settings, preset, chosen.ipc is not None, chosen.print)


def _asks_help(arguments):
    return bool({"-h", "--help"} & set(arguments))


def _own(network: str, usual: NetworkSpec) -> NetworkSpec:
    """A network of the user's own in the place of the preset's."""
    from mttjax.core.networks import own_network  # imports JAX, which settings do without

    return own_network(network, precision=usual.precision)


def require_config(arguments: Sequence[str]) -> None:
    """Raises ``InputError``: no ``--config`` is among the arguments; unless help is asked for."""
    if _asks_help(arguments):
        return
    options = [argument.partition("=")[0] for argument in arguments]
    near = difflib.get_close_matches("--config", [o for o in options if o[:2] == "--"], 1, 0.7)
    wrong = f"{near[0]} is no option, did you mean --config? " if near else ""
    names = ", ".join(preset_names())
    raise InputError(f"{wrong}--config is needed: one of {names}, or a .py or .json file")


def print_settings(settings: Settings) -> int:
    """All settings, as JSON that ``--config`` takes back; the status of having done so."""
    print(json.dumps(settings.record(), indent=2))
    return 0
