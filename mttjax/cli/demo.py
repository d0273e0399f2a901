"""``mttjax demo``: the whole way on digits."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import require_folder
from mttjax.config.presets import load_preset
from mttjax.config.settings import Run, Settings
from mttjax.evaluation.sets import evaluate_sets
from mttjax.reporting import print_table, save_expert_curves, write_page
from mttjax.runs.page import HEADERS, results_rows, run_figures, save_results
from mttjax.runs.problem import load_data
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.fields import Checked
from mttjax.system.provenance import hardware

__all__ = ["DemoOptions", "main", "run_demo"]


@dataclasses.dataclass(frozen=True)
class DemoOptions(Checked):
    """The whole way on the bundled digits, in about three minutes on two cores."""

    folder: Path = Path("runs/demo")
    """Where everything goes; run again, it goes on from there."""


@messages
def main(arguments: Sequence[str]) -> int:
    """Experts, two distillations and their evaluation on digits."""
    options = tyro.cli(DemoOptions, args=arguments, prog="mttjax demo")
    require_folder("--folder", options.folder)
    run_demo(options.folder)
    return 0


def run_demo(folder: str | Path, log: Callable[[str], object] = print) -> Path:
    """Trains, distils 1 and 10 images per class, evaluates; prints a table and writes a page.

    Args:
      folder: where everything goes; a demo that was cut off goes on from there.
      log: called with lines of text.

    Returns:
      The path of the page.
    """
    folder, begin = Path(folder), time.perf_counter()
    rows_of_preset = _settings(folder)
    dataset = load_data(rows_of_preset[0])
    counts = [len(split.labels) for split in (dataset.train, dataset.validation, dataset.test)]
    log(f"digits: {counts} images to train, validate and test on")
    store = run_experts(rows_of_preset[0], dataset, log)
    curves = save_expert_curves(folder / "experts.png", store.accuracies())
    rows, figures = [], [(curves, "The experts' test accuracy over their epochs.")]
    for settings in rows_of_preset:
        log(f"distilling {settings.ipc} per class")
        run = distill(settings, dataset, log)
        results = evaluate_sets(run.sets(), dataset, settings.evaluate, log=log).record()
        save_results(run.path, results)
        rows += results_rows(results)
        figures += run_figures(run.path)
    print_table("digits: test accuracy of networks trained on", HEADERS, rows)
    minutes = (time.perf_counter() - begin) / 60
    page = write_page(
        folder,
        title="Distilled digits",
        summary=f"Distilled from scikit-learn's digits in {minutes:.1f} minutes on {hardware()}.",
        tables=[("Test accuracy", HEADERS, rows)],
        figures=figures,
        settings={},
        command="make demo",
    )
    log(f"{minutes:.1f} minutes; page: {page}")
    return page


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
