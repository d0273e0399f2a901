"""What ``--config``, ``--ipc`` and ``--method`` choose."""

import argparse

import tyro

from mttjax.cli.places import require_folder
from mttjax.config.checks import COUNT, check_settings
from mttjax.config.methods import METHODS
from mttjax.config.presets import load_preset, preset_names, settings_of
from mttjax.config.settings import Settings
from mttjax.system.errors import InputError

__all__ = []


def settings_from(name, arguments):
    """What ``--config``, ``--ipc`` and ``--method`` choose, changed by the other options.

    Returns:
      (settings, the preset's module, whether ``--ipc`` was given).
    """
    first = argparse.ArgumentParser(prog=name, add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    first.add_argument("--ipc", type=int)
    first.add_argument("--method", default="mtt")
    chosen, rest = first.parse_known_args(arguments)
    about = (
        f"--config NAME|FILE.py chooses a preset ({', '.join(preset_names())}), --ipc N its row, "
        f"--method NAME a method ({', '.join(METHODS)}); every option below changes a setting "
        "of it. The defaults shown are the preset's."
    )
    if chosen.config is None:
        if not {"-h", "--help"} & set(rest):
            raise InputError(f"--config is needed: one of {', '.join(preset_names())}")
        chosen.config = "digits"
    preset = load_preset(chosen.config)
    ipc = chosen.ipc if chosen.ipc is not None else preset.IPCS[0]
    if not COUNT.holds(ipc):
        raise InputError(f"--ipc {ipc}: images per class must be a whole number {COUNT}")
    default = settings_of(preset, ipc, chosen.method)
    kind = Settings[type(default.distill)]
    settings = tyro.cli(kind, default=default, args=rest, prog=name, description=about)
    check_settings(settings)
    require_folder("--run.folder", settings.run.folder)
    require_folder("--experts.folder", settings.experts.folder)
    return settings, preset, chosen.ipc is not None
