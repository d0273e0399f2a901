"""``mttjax train_experts``: experts on the real images, a snapshot per epoch."""

import argparse
import dataclasses
from collections.abc import Sequence
from functools import partial

from mttjax.cli.messages import messages
from mttjax.cli.options import preset_settings, print_settings
from mttjax.cli.sharing import Sharing, shared
from mttjax.config.methods import MATCHING
from mttjax.config.presets import Preset
from mttjax.config.settings import Settings

__all__ = ["epochs_for_all_rows", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Trains the experts of a preset; without ``--ipc`` for all of its rows that can share them."""
    sharing, rest = _sharing(arguments)
    about = (
        "--workers N has N processes share the experts, on a card each; --worker K is one of "
        "several that are started apart; --engine ray, --ray-address and --ray-objects as of table."
    )
    settings, preset, one_row, only_print = preset_settings("mttjax train_experts", rest, about)
    if settings.experts.epochs is None and not (one_row and settings.method in MATCHING):
        settings, about = epochs_for_all_rows(settings, preset)
        if not only_print:
            print(about)
    if only_print:
        return print_settings(settings)
    from mttjax.reporting import save_expert_curves

    if sharing.ray_objects and sharing.worker is None:
        from mttjax.runs.workflows import begin_experts

        begin_experts(settings)  # one preprocessing for all
    make = partial(_made, settings)
    command = ["train_experts", *arguments]
    store = shared(sharing, command, settings.expert_folder, make, _received)
    if sharing.worker is not None:
        return 0
    curves = save_expert_curves(store.folder / "accuracies.png", store.accuracies())
    print(f"experts: {store.folder}\ncurves:  {curves}")
    return 0


def _sharing(arguments):
    """How many processes, and the other arguments; ``Settings`` know nothing of processes."""
    first = argparse.ArgumentParser("mttjax train_experts", add_help=False, allow_abbrev=False)
    first.add_argument("--workers", type=int, default=1)
    first.add_argument("--worker", type=int)
    first.add_argument("--engine", default="processes")
    first.add_argument("--ray-address")
    first.add_argument("--ray-objects", nargs="*", default=())
    first.add_argument("--shares", type=int)
    given, rest = first.parse_known_args(arguments)
    return Sharing(**vars(given) | {"ray_objects": tuple(given.ray_objects)}), rest


def _received(path, content, sent):
    """Manifests of workers that saw nobody else's are brought together; the copies are left out."""
    from mttjax.experts.manifest import enter_manifest

    return enter_manifest(path, content, sent)


def _made(settings, *, worker, only_look):
    from mttjax.experts.store import ExpertStore
    from mttjax.runs.workflows import run_experts

    return (
        ExpertStore(settings.expert_folder) if only_look else run_experts(settings, worker=worker)
    )


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
