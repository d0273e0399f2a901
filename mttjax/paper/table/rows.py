"""The rows of the table: what its files and its page have in common."""

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np

from mttjax.config.methods import METHODS, TITLES
from mttjax.config.published import published_settings, published_sizes
from mttjax.datasets.dataset import Dataset
from mttjax.evaluation.testing import is_imbalanced
from mttjax.paper.cells import CellResult, moments
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.published import published_figure
from mttjax.reporting import class_table, percent
from mttjax.reporting.blocks import Table

__all__ = ["NAMES", "Pooled", "classes", "details", "of_size", "overview", "pooled", "share"]

NAMES = TITLES | {
    "full_experts": "Full data, experts' recipe",
    "full_better": "Full data, trained better",
}
DETAILS = (
    *("sets", "networks", "steps of published", "α"),
    *("making, min", "evaluating, min", "peak, MiB"),
)
POOLED = ("accuracies", "correct", "own_way")

Pooled = Mapping[tuple[str, int], tuple[CellResult, int]]
"""(method, ipc) -> its result over all sets, and how many they are."""


def pooled(results: Mapping[Cell, CellResult]) -> Pooled:
    """The sets of a method and size together, in the table's order."""
    sets: dict[tuple[str, int], list[CellResult]] = {}
    for cell, result in sorted(results.items(), key=lambda item: METHODS.index(item[0].method)):
        sets.setdefault((cell.method, cell.ipc), []).append(result)
    return {place: (_together(of_place), len(of_place)) for place, of_place in sets.items()}


def _together(results):
    return results[0]._replace(
        **{name: [a for r in results for a in getattr(r, name)] for name in POOLED},
        seconds=statistics.fmean(result.seconds for result in results),
        evaluation_seconds=statistics.fmean(result.evaluation_seconds for result in results),
        peak_bytes=max((r.peak_bytes for r in results if r.peak_bytes), default=None),
    )


def of_size(ipc: int, results: Pooled) -> dict[str, tuple[CellResult, int]]:
    """method -> what there is of it at a size."""
    return {method: of for (method, size), of in results.items() if size == ipc}


def share(ipc: int, dataset: Dataset) -> str:
    """The images of a size, in % of the training images."""
    return f"{100 * ipc * dataset.n_classes / len(dataset.train.labels):.2f}"


def overview(plan: Plan, dataset: Dataset, rows: Mapping[tuple[str, int | None], Any]) -> Table:
    """The paper's table: a row per method, a column per size, published figures beside."""
    methods = list(dict.fromkeys(method for method, _ in rows))
    columns: list[list[Any]] = [["method", *map(NAMES.get, methods)]]
    for ipc in plan.ipc:
        # Networks trained on all images have no size: theirs is in every column.
        found = [(rows.get((m, ipc)) or rows.get((m, None), (None, 0)))[0] for m in methods]
        scores = [_score(result.accuracies) if result else "" for result in found]
        columns.append([f"{ipc} per class", *scores])
        own = [_score(getattr(result, "own_way", ())) for result in found]
        if any(own):
            columns.append(["own way", *own])
        figures = [published_figure(dataset.name, method, ipc) for method in methods]
        known = [f"{figure.percent} {figure.mark}" if figure else "" for figure in figures]
        if any(known):
            columns.append(["published", *known])
    headers, *lines = zip(*columns, strict=True)
    return Table("Test accuracy, %", headers, lines)


def _score(accuracies):
    return percent(*moments(accuracies)) if len(accuracies) else ""


def details(ipc: int, results: Pooled, dataset: str) -> Table:
    """How the sets of a size were made, and how good they are; ``dataset`` is its name."""
    found = of_size(ipc, results)
    # Where the test set has as many images of every class, balanced accuracy is accuracy.
    balanced = any(is_imbalanced(result.tested) for result, _ in found.values())
    headers = ["method", "accuracy, %", *["balanced, %"] * balanced, *DETAILS]
    rows = [
        (
            NAMES[method],
            _score(result.accuracies),
            *[_score(result.evaluation.balanced)] * balanced,
            sets,
            len(result.accuracies),
            _steps(method, ipc, dataset, result.steps),
            f"{result.lr:.4f}",
            f"{result.seconds / 60:.1f}",
            f"{result.evaluation_seconds / 60:.1f}",
            "" if result.peak_bytes is None else f"{result.peak_bytes / 2**20:.0f}",
        )
        for method, (result, sets) in found.items()
    ]
    return Table(f"{ipc} image{'' if ipc == 1 else 's'} per class", headers, rows)


def _steps(method, ipc, dataset, steps):
    if not steps:
        return ""
    if ipc not in (published_sizes(method) or [ipc]):
        return f"{steps}, size not published"
    return f"{steps} of {published_settings(method, ipc, dataset).steps}"


def classes(ipc: int, results: Pooled, dataset: Dataset) -> Table:
    """The accuracy of each class, a column per method."""
    found = of_size(ipc, results)
    scores = {NAMES[m]: result.evaluation.per_class() for m, (result, _) in found.items()}
    tested = np.bincount(dataset.test.labels, minlength=dataset.n_classes)
    table = class_table(dataset.class_names, tested.tolist(), scores)
    return Table(f"Accuracy of each class, {ipc} per class, %", *table)
