"""The commands that make: experts, and sets of any method."""

import argparse
import dataclasses

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.config import Settings
from mttjax.errors import InputError
from mttjax.presets import METHODS, load_preset, preset_names, settings_of
from mttjax.settings_checks import COUNT, check_settings

__all__ = ["distill", "train_experts"]


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


@messages
def train_experts(arguments):
    """bin/train_experts: experts on the real images, a snapshot per epoch."""
    settings, preset, one_row = settings_from("train_experts", arguments)
    if settings.experts.epochs is None and not one_row:
        settings = _epochs_for_all_rows(settings, preset)
    from mttjax.reporting import save_expert_curves
    from mttjax.workflows import run_experts

    store = run_experts(settings)
    curves = save_expert_curves(store.folder / "accuracies.png", store.manifest)
    print(f"experts: {store.folder}\ncurves:  {curves}")
    return 0


def _epochs_for_all_rows(settings, preset):
    """The epochs that serve every row of the preset which has the same experts."""
    rows = [preset.get_config(ipc) for ipc in preset.IPCS]
    same = [row for row in rows if row.recipe() == rows[0].recipe()]
    epochs = max([settings.expert_epochs, *(row.expert_epochs for row in same)])
    others = [row.ipc for row in rows if row not in same]
    served = ", ".join(str(row.ipc) for row in same)
    print(f"{epochs} epochs each, enough for {served} images per class")
    if others:
        print(f"other experts are needed for --ipc {', '.join(map(str, others))}")
    return dataclasses.replace(
        settings, experts=dataclasses.replace(settings.experts, epochs=epochs)
    )


@messages
def distill(arguments):
    """bin/distill: a set of any method, and its page."""
    settings, _, _ = settings_from("distill", arguments)
    from mttjax.run_page import write_run_page
    from mttjax.workflows import run_distill

    folder = run_distill(settings)
    page = write_run_page(folder)
    print(f"distilled set: {folder / 'last.npz'}\npage:          {page}")
    print(f"evaluate it:   bin/evaluate --run {folder}")
    return 0
