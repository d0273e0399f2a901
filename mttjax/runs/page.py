"""What a person looks at after a run: its page, with tables, curves and grids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.config.methods import SELECTIONS, TITLES
from mttjax.evaluation.testing import is_imbalanced
from mttjax.reporting import class_table, percent, save_curves, save_views, write_page
from mttjax.runs.folder import SETS, RunFolder
from mttjax.system.errors import InputError

__all__ = ["results_table", "run_figures", "save_results", "write_run_page"]

CURVES = "curves.png"

_OWN_WAY = "Own way: after the set's own steps, each at its own rate, and no more. "

_LOSSES = {
    "mtt": "trajectory loss",
    "datm": "trajectory loss",
    "dd": "loss on real images",
    "ld": "loss on real images",
}
_RATES = {"mtt": "learned rate α", "datm": "learned rate α", "dd": "mean of the learned rates"}
"""Of the methods that learn one."""


def results_table(*records: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """(headers, rows) of results, a row per set, from each ``Results.record()``.

    Balanced accuracies, the mean of those of the classes, have a column where a test set has more
    images of one class than of another, and DD's own way of use where a set has one.
    """
    sets = [(name, row) for record in records for name, row in record["rows"].items()]
    shown = lambda score: percent(score["mean"], score["std"]) if score else ""
    columns = {
        "images": [_images(row) for _, row in sets],
        "method": [name for name, _ in sets],
        "test accuracy, %": [shown(row) for _, row in sets],
    }
    if any(is_imbalanced(row["tested"]) for _, row in sets):
        columns["balanced, %"] = [shown(row["balanced"]) for _, row in sets]
    if any("own_way" in row for _, row in sets):
        columns["own way, %"] = [shown(row.get("own_way")) for _, row in sets]
    columns["networks"] = [row["networks"] for _, row in sets]
    columns["α"] = [f"{row['lr']:.4f}" for _, row in sets]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _images(row):
    stored = row.get("stored_ipc")
    kept_as = "" if stored is None else f", in the bytes of {stored:.3g}"
    return f"{row.get('images_per_class', row['ipc'])} per class{kept_as}"


def save_results(folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Keeps ``Results.record()`` beside a run and writes its page, whose path it returns."""
    RunFolder(folder).save_results(record)
    return write_run_page(folder)


def write_run_page(
    folder: str | Path, to: str | Path | None = None, *, now: str = "", log: str = ""
) -> Path:
    """Draws the curves and grids of a run and its ``index.html``; returns the page's path.

    Args:
      folder: a run's folder; what is not there yet is left out.
      to: where page and pictures go; None: the run's folder.
      now: how far the run is, where it goes on.
      log: the end of what it printed.
    """
    run = RunFolder(folder)
    config, results = run.config(), run.results()
    tables, summary = [], now or "Not evaluated yet: evaluate this run."
    if results:
        tables, summary = _evaluated(run.path, results)
        summary = f"{now}\n\n{summary}"
    figures = run_figures(run.path, to)
    if now:  # what changes first
        figures.sort(key=lambda figure: figure[0].name != CURVES)
    ipc = config.get("ipc", "?")
    kept = next((run.load(kind) for kind in SETS if run.set_path(kind).exists()), None)
    name = kept.dataset if kept else config.get("name", run.path.name)
    title = f"{name}: {ipc} image{'' if ipc == 1 else 's'} per class"
    return write_page(
        run.path if to is None else to,
        title=f"{title}, {TITLES.get(str(config.get('method')), 'MTT')}",
        summary=summary,
        tables=tables,
        figures=figures,
        settings=config,
        command=_typed(run.commands()),
        log=log,
    )


def _evaluated(path, results):
    """The tables and the summary of the results."""
    try:
        tables = [("Test accuracy", *results_table(results))]
        rows, names = results["rows"], results["classes"]
        scores = {name: row["per_class"] for name, row in rows.items()}
        tested = next((row["tested"] for row in rows.values()), [])
        tables.append(("Accuracy of each class, %", *class_table(names, tested, scores)))
        own = any("own_way" in row for row in rows.values())
        return tables, (
            f"Fresh networks trained for {results['epochs']} epochs on each set, then tested "
            f"on the real test set. {_OWN_WAY if own else ''}"
            f"{results['date']}, {results['hardware']}."
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: its results are not those of an evaluation ({error!r}); evaluate it again"
        ) from error


def _typed(commands):
    """What makes the run again, a line each, as it was typed; nothing of a program's run."""
    if "distill" not in commands:
        return ""
    order = ("train_experts", "distill", "evaluate")
    return "\n".join(str(commands[name]) for name in order if name in commands)


def run_figures(folder: str | Path, to: str | Path | None = None) -> list[tuple[Path, str]]:
    """(path, caption) of the grids and the curves of a run, drawn now.

    Args:
      folder: the run's.
      to: where they are drawn; None: there.
    """
    run, drawn = RunFolder(folder), RunFolder(folder if to is None else to)
    method = str(run.config().get("method"))
    # LD learns labels, and its images stay what they were.
    figures = _grids(run, drawn.grids, real=method in (*SELECTIONS, "ld"))
    if run.metrics():
        rate = _RATES.get(method)
        curves = save_curves(
            drawn.path / CURVES,
            run.metrics_log.path,
            loss_title=_LOSSES.get(method, "loss"),
            rate_title=rate,
        )
        learned = f"{rate}, " if rate else ""
        caption = f"Loss, {learned}accuracy and time per step."
        figures.append((curves, caption))
    return figures


def _grids(run, to, real):
    """A picture of each set that is no other's too, and three views of the best one."""
    shown = []
    for kind, name in SETS.items():
        if run.set_path(kind).exists():
            distilled = run.load(kind)
            alike = (names for _, names, s in shown if _same(s, distilled))
            if (names := next(alike, None)) is None:
                shown.append((kind, names := [], distilled))
            names.append(name)
    figures = []
    for kind, names, distilled in shown:
        views = save_views(to, kind, distilled)
        step = distilled.settings.get("step")
        title = " and ".join(names) + ("" if step is None else f", step {step}")
        title += ", real images" if real else ""
        title += ", by their labels' most probable class" if distilled.has_soft_labels else ""
        captions = ("raw values", "clipped at ±2.5 σ", "as pixels")
        described = [(p, f"{title}: {c}") for p, c in zip(views, captions, strict=True)]
        every = not real and (SETS["best"] in names or len(shown) == 1)
        figures += described if every else described[2:]
    return figures


def _same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("images", "labels"))
