"""The commands that show: the images of a set, and the whole way on digits."""

import dataclasses
import time
from dataclasses import replace
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.config.checks import check_options
from mttjax.config.presets import load_preset
from mttjax.config.settings import Run
from mttjax.evaluation.sets import evaluate_sets, load_sets
from mttjax.reporting import print_table, save_expert_curves, write_page
from mttjax.runs.page import HEADERS, results_rows, run_figures, save_results
from mttjax.runs.workflows import load_data, run_distill, run_experts
from mttjax.system.provenance import hardware

__all__ = ["main", "run_demo"]


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """The whole way on the bundled digits, in about three minutes on two cores."""

    folder: Path = Path("runs/demo")
    """Where everything goes; run again, it goes on from there."""


@messages
def main(arguments):
    """bin/demo: experts, two distillations and their evaluation on digits."""
    options = tyro.cli(DemoOptions, args=arguments, prog="demo")
    check_options(options)
    require_folder("--folder", options.folder)

    run_demo(options.folder)
    return 0


def run_demo(folder, log=print):
    """Trains, distils 1 and 10 images per class, evaluates; prints a table and writes a page.

    Args:
      folder: where everything goes; a demo that was cut off goes on from there.
      log: called with lines of text.

    Returns:
      The path of the page.
    """
    folder, begin = Path(folder), time.perf_counter()
    preset = load_preset("digits")
    dataset = load_data(preset.get_config(1))
    counts = ", ".join(
        f"{len(s.labels)} {n}"
        for n, s in (
            ("training", dataset.train),
            ("validation", dataset.validation),
            ("test", dataset.test),
        )
    )
    log(f"digits: {counts} images of {dataset.train.images.shape[1:]}")
    epochs = max(preset.get_config(ipc).distill.epochs_needed for ipc in preset.IPCS)
    rows, figures = [], []
    for number, ipc in enumerate(preset.IPCS):
        settings = preset.get_config(ipc)
        experts = replace(settings.experts, folder=str(folder / "experts"), epochs=epochs)
        run = Run(folder=str(folder / f"ipc{ipc}"))
        settings = replace(settings, experts=experts, run=run)
        if number == 0:
            store = run_experts(settings, dataset, log=log)
            path = save_expert_curves(folder / "experts.png", store.manifest)
            figures.append((path, "The experts' test accuracy over their epochs."))
        log(f"distilling {ipc} per class")
        path = run_distill(settings, dataset, log=log)
        results = evaluate_sets(load_sets(path), dataset, settings.evaluate)
        save_results(path, results)
        rows += results_rows(results)
        figures += run_figures(path)
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
