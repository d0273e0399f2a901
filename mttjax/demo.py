"""The whole way on the bundled digits: experts, two distillations, evaluation, one page."""

import time
from dataclasses import replace
from pathlib import Path

from mttjax.config import Run
from mttjax.presets import load_preset
from mttjax.reporting import print_table, save_expert_curves, write_page
from mttjax.results import evaluate_sets, hardware, load_sets
from mttjax.run_page import HEADERS, results_rows, run_figures, save_results
from mttjax.workflows import load_data, run_distill, run_experts

__all__ = ["run_demo"]


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
