"""``train_experts``: experts on the real images."""

import dataclasses

from mttjax.cli.messages import messages
from mttjax.cli.preset_options import settings_from

__all__ = ["main"]


@messages
def main(arguments):
    """bin/train_experts: experts on the real images, a snapshot per epoch."""
    settings, preset, one_row = settings_from("train_experts", arguments)
    if settings.experts.epochs is None and not one_row:
        settings = _epochs_for_all_rows(settings, preset)
    from mttjax.reporting import save_expert_curves
    from mttjax.runs.workflows import run_experts

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
