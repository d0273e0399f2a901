"""``mttjax train_experts``: experts on the real images, a snapshot per epoch."""

import dataclasses
from collections.abc import Sequence

from mttjax.cli.messages import messages
from mttjax.cli.options import preset_settings, print_settings
from mttjax.config.methods import MATCHING
from mttjax.config.presets import Preset
from mttjax.config.settings import Settings

__all__ = ["epochs_for_all_rows", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Trains the experts of a preset; without ``--ipc`` for all of its rows that can share them."""
    settings, preset, one_row, only_print = preset_settings("mttjax train_experts", arguments)
    if settings.experts.epochs is None and not (one_row and settings.method in MATCHING):
        settings, about = epochs_for_all_rows(settings, preset)
        if not only_print:
            print(about)
    if only_print:
        return print_settings(settings)
    from mttjax.reporting import save_expert_curves
    from mttjax.runs.workflows import run_experts

    store = run_experts(settings)
    curves = save_expert_curves(store.folder / "accuracies.png", store.accuracies())
    print(f"experts: {store.folder}\ncurves:  {curves}")
    return 0


def epochs_for_all_rows(settings: Settings, preset: Preset) -> tuple[Settings, str]:
    """The settings with the epochs that serve MTT, or DATM, in every row with the same experts; and
    which."""
    method = settings.method if settings.method in MATCHING else "mtt"
    rows = [preset.settings(ipc, method) for ipc in preset.ipcs]
    same = [row for row in rows if row.recipe() == rows[0].recipe()]
    epochs = max(row.expert_epochs for row in (settings, *same) if row.method in MATCHING)
    about = f"{epochs} epochs each, enough for {_listed(same)} images per class"
    if others := [row for row in rows if row not in same]:
        about += f"\nother experts are needed for --ipc {_listed(others)}"
    experts = dataclasses.replace(settings.experts, epochs=epochs)
    return dataclasses.replace(settings, experts=experts), about


def _listed(rows):
    return ", ".join(str(row.ipc) for row in rows)
