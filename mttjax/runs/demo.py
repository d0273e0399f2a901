"""The whole way on digits: experts, two distillations, their evaluation and a page."""

import dataclasses
import time
from pathlib import Path

from mttjax.config.presets import load_preset
from mttjax.config.settings import Run, Settings
from mttjax.evaluation.sets import evaluate_sets
from mttjax.reporting import print_table, save_expert_curves, write_page
from mttjax.runs.page import results_table, run_figures, save_results
from mttjax.runs.problem import load_data
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
    curves = save_expert_curves(folder / "experts.png", store.accuracies())
    records, figures = [], [(curves, "The experts' test accuracy over their epochs.")]
    for settings in rows_of_preset:
        print(f"distilling {settings.ipc} per class")
        run = distill(settings, dataset)
        results = evaluate_sets(run.sets(), dataset, settings.evaluate).record()
        save_results(run.path, results)
        records.append(results)
        figures += run_figures(run.path)
    table = results_table(*records)
    print_table("digits: test accuracy of networks trained on", *table)
    minutes = (time.perf_counter() - begin) / 60
    page = write_page(
        folder,
        title="Distilled digits",
        summary=f"Distilled from scikit-learn's digits in {minutes:.1f} minutes on {hardware()}.",
        tables=[("Test accuracy", *table)],
        figures=figures,
        settings={},
        command="make demo",
    )
    return f"{minutes:.1f} minutes; page: {page}"


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
