"""The whole way on digits: experts, two distillations, their evaluation and a page."""

import dataclasses
import time
from pathlib import Path

from mttjax.config.presets import load_preset
from mttjax.config.settings import Run, Settings
from mttjax.evaluation.sets import evaluate_sets
from mttjax.reporting import expert_curves, page, print_table, write_page
from mttjax.reporting.blocks import Code, Section
from mttjax.runs.page import run_sections, save_results
from mttjax.runs.problem import load_data
from mttjax.runs.shown import results_table
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.provenance import hardware

__all__ = ["run_demo"]


def run_demo(folder: str | Path) -> str:
    """Experts, two distillations and their evaluation on digits; where the page of it is.

    Args:
      folder: where everything goes; run again, it goes on from there.
    """
    folder = Path(folder)
    begin = time.perf_counter()
    rows_of_preset = _settings(folder)
    dataset = load_data(rows_of_preset[0])
    store = run_experts(rows_of_preset[0], dataset)
    records, sections = [], []
    for settings in rows_of_preset:
        print(f"distilling {settings.ipc} per class")
        run = distill(settings, dataset)
        results = evaluate_sets(run.sets(), dataset, settings.evaluate).record()
        save_results(run.path, results)
        records.append(results)
        plural = "" if settings.ipc == 1 else "s"
        sections.append(_of_size(f"{settings.ipc} image{plural} per class", run))
    print_table("digits: test accuracy of networks", *results_table(*records))
    minutes = (time.perf_counter() - begin) / 60
    made = page(
        "Distilled digits",
        f"Distilled from scikit-learn's digits in {minutes:.1f} minutes on {hardware()}.",
        [
            *sections,
            Section("Experts", [plot] if (plot := expert_curves(store.accuracies())) else []),
            Section("Run it again", [Code("command", "make demo")]),
        ],
    )
    return f"{minutes:.1f} minutes; page: {write_page(folder, made)}"


def _of_size(heading, run):
    return Section(heading, [section for section in run_sections(run) if section.blocks])


def _settings(folder: Path) -> list[Settings]:
    """Those of every row of the preset, in ``folder``, on the same experts."""
    preset = load_preset("digits")
    rows = [preset.settings(ipc) for ipc in preset.ipcs]
    epochs = max(row.expert_epochs for row in rows)
    return [
        dataclasses.replace(
            row,
            experts=dataclasses.replace(row.experts, folder=f"{folder}/experts", epochs=epochs),
            run=Run(folder=f"{folder}/ipc{row.ipc}"),
        )
        for row in rows
    ]
