"""The table as Markdown, CSV and a page, in the paper's row order."""

import dataclasses
import statistics
from pathlib import Path

import numpy as np

from mttjax.config.methods import METHODS, TITLES
from mttjax.config.published import published_settings, published_sizes
from mttjax.config.settings import Settings
from mttjax.datasets.dataset import Dataset
from mttjax.evaluation.testing import is_imbalanced
from mttjax.paper.cells import CellResult, moments, set_folder
from mttjax.paper.csv_file import write_csv
from mttjax.paper.table.full_data import FullRow
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.published import SOURCES, published_caption, published_figure
from mttjax.reporting import class_table, markdown_table, percent, save_grid, write_page
from mttjax.runs.folder import RunFolder
from mttjax.system.files import atomically

__all__ = ["Report"]

NAMES = TITLES | {
    "full_experts": "Full data, experts' recipe",
    "full_better": "Full data, trained better",
}
DETAILS = (
    *("sets", "networks", "steps of published", "α"),
    *("making, min", "evaluating, min", "peak, MiB"),
)
POOLED = ("accuracies", "correct", "own_way")
PER_SET = ("seconds", "evaluation_seconds", "peak_bytes", "steps", "lr")
COLUMNS = (
    *("method", "ipc", "mean", "std", "networks", "published_percent", *PER_SET, "sets"),
    *("published_in", "balanced_mean", "balanced_std", "own_way_mean", "own_way_std"),
)
"""Of the CSV; a column per class follows."""


@dataclasses.dataclass
class Report:
    """What is there of the table so far; written anew after every cell."""

    folder: Path
    """The table's."""
    plan: Plan
    settings: Settings
    """Those that the cells share."""
    dataset: Dataset
    """The real images."""
    command: str
    """What made the table."""
    results: dict[Cell, CellResult] = dataclasses.field(default_factory=dict)
    full: dict[str, FullRow] = dataclasses.field(default_factory=dict)
    """By ``full_experts`` and ``full_better``."""

    def write(self) -> Path:
        """Writes ``table.md``, ``table.csv`` and ``index.html``; returns the page's path."""
        pooled = _pooled(self.results)
        rows = pooled | {(name, None): (row, None) for name, row in self.full.items()}
        tables = [_overview(self.plan, self.dataset, rows)]
        tables += [_details(ipc, pooled, self.dataset.name) for ipc in self.plan.ipc]
        title, caption = f"{self.dataset.name}: every method, one evaluator", _caption(self)
        text = [f"# {title}", "", caption, "", "```sh", self.command, "```"]
        for heading, headers, lines in tables:
            text += ["", f"## {heading}", "", markdown_table(headers, lines)]
        with atomically(self.folder / "table.md", "w") as file:
            file.write("\n".join(text) + "\n")
        columns = (*COLUMNS, *(f"accuracy of {name}" for name in self.dataset.class_names))
        write_csv(self.folder / "table.csv", columns, _numbers(self.dataset, rows))
        tables += [_classes(ipc, pooled, self.dataset) for ipc in self.plan.ipc]
        return write_page(
            self.folder,
            title=title,
            summary=caption,
            tables=tables,
            figures=_grids(self.folder, self.results),
            settings={},
            command=self.command,
        )


def _pooled(results):
    """(method, ipc) -> its result over all sets and how many they are, in the table's order."""
    sets = {}
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


def _overview(plan, dataset, rows):
    """The paper's table: a row per method, a column per size, published figures beside."""
    methods = list(dict.fromkeys(method for method, _ in rows))
    columns = [["method", "ratio, % of the training images", *map(NAMES.get, methods)]]
    for ipc in plan.ipc:
        # Networks trained on all images have no size: theirs is in every column.
        of_size = [(rows.get((m, ipc)) or rows.get((m, None), (None, 0)))[0] for m in methods]
        ratio = f"{100 * ipc * dataset.n_classes / len(dataset.train.labels):.2f}"
        scores = [_score(result.accuracies) if result else "" for result in of_size]
        columns.append([f"{ipc} per class", ratio, *scores])
        own = [_score(getattr(result, "own_way", ())) for result in of_size]
        if any(own):
            columns.append(["own way", "", *own])
        figures = [published_figure(dataset.name, method, ipc) for method in methods]
        known = [f"{figure.percent} {figure.mark}" if figure else "" for figure in figures]
        columns.append(["published", "", *known])
    headers, *lines = zip(*columns, strict=True)
    return "Test accuracy, %", headers, lines


def _score(accuracies):
    return percent(*moments(accuracies)) if len(accuracies) else ""


def _of_size(ipc, pooled):
    return {method: of for (method, size), of in pooled.items() if size == ipc}


def _details(ipc, pooled, dataset):
    of_size = _of_size(ipc, pooled)
    # Where the test set has as many images of every class, balanced accuracy is accuracy.
    balanced = any(is_imbalanced(result.tested) for result, _ in of_size.values())
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
        for method, (result, sets) in of_size.items()
    ]
    return f"{ipc} image{'' if ipc == 1 else 's'} per class", headers, rows


def _classes(ipc, pooled, dataset):
    """The accuracy of each class, a column per method."""
    of_size = _of_size(ipc, pooled)
    scores = {NAMES[m]: result.evaluation.per_class() for m, (result, _) in of_size.items()}
    tested = np.bincount(dataset.test.labels, minlength=dataset.n_classes)
    table = class_table(dataset.class_names, tested.tolist(), scores)
    return f"Accuracy of each class, {ipc} per class, %", *table


def _steps(method, ipc, dataset, steps):
    if not steps:
        return ""
    if ipc not in (published_sizes(method) or [ipc]):
        return f"{steps}, size not published"
    return f"{steps} of {published_settings(method, ipc, dataset).steps}"


def _caption(report):
    plan, net, dataset = report.plan, report.settings.network, report.dataset
    lines = [
        f"{plan.networks} networks ({net.name}, depth {net.depth}, width {net.width}) trained on "
        f"each set by the protocol '{plan.protocol}' with DSA "
        f"({' '.join(report.settings.ops) or 'none'}), "
        f"then tested on {len(dataset.test.labels)} images: mean ± population standard deviation. "
        f"MTT and DD train at the rate learned with the set (DD at the mean of its rates), all "
        f"others at theirs. {len(dataset.train.labels)} training images.",
        "Time is that of the steps alone, without compiling; experts are not counted in. CAFE runs "
        "in fixed loops; its code's end by running accuracies. Peak is the highest memory in use: "
        "the process's on a CPU, with data and compiled programs, else the device's.",
        "Measured on: " + "; ".join(sorted({r.where for r in report.results.values()})) + ".",
    ]
    cells = [(method, ipc) for method in (*plan.methods, *report.full) for ipc in plan.ipc]
    if published := published_caption(dataset.name, cells):
        lines.insert(2, published)
    if any(result.own_way for result in report.results.values()):
        own = "Own way: fresh networks after DD's own steps alone, in order, each at its own rate."
        lines.insert(1, own)
    for name, result in report.full.items():
        lines.append(
            f"{NAMES[name]}: {len(result.accuracies)} networks of {result.epochs} epochs, "
            f"{result.seconds / 60:.0f} minutes in all."
        )
    return "\n\n".join(lines)


def _numbers(dataset, rows):
    """The rows of the CSV."""
    for (method, ipc), (result, sets) in rows.items():
        score = (*moments(result.accuracies), len(result.accuracies))
        known = published_figure(dataset.name, method, ipc)
        percent, source = (known.percent, SOURCES[known.source]) if known else (None, None)
        per_set = (getattr(result, name, None) for name in PER_SET)
        of_classes = _of_classes(result, dataset.n_classes)
        yield [method, ipc, *score, percent, *per_set, sets, source, *of_classes]


def _of_classes(result, classes):
    """The numbers of the CSV that a network trained on all images does not have."""
    if isinstance(result, FullRow):
        return [None] * (4 + classes)
    own = moments(result.own_way) if result.own_way else (None, None)
    return [*moments(result.evaluation.balanced), *own, *result.evaluation.per_class()]


def _grids(folder, cells):
    """The images of every method, as pixels; of the first seed that is there."""
    figures, first = [], {}
    for cell in sorted(cells, key=lambda cell: (METHODS.index(cell.method), cell.ipc, cell.seed)):
        first.setdefault((cell.method, cell.ipc), cell)
    for (method, ipc), cell in first.items():
        run = RunFolder(set_folder(folder, cell.name))
        grid, source = folder / "grids" / f"{method}_ipc{ipc}.png", run.set_path("last")
        if not grid.exists() or grid.stat().st_mtime < source.stat().st_mtime:
            made = run.load("last")
            shown = (made.images, made.classes, made.class_names)
            save_grid(grid, *shown, preprocessing=made.preprocessing)
        figures.append((grid, f"{NAMES[method]}, {ipc} per class"))
    return figures
