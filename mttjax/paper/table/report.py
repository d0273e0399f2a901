"""The table as Markdown, CSV and a page, in the paper's row order."""

import dataclasses
import statistics
from pathlib import Path

from mttjax.config.methods import METHODS, TITLES
from mttjax.config.published import published_settings, published_sizes
from mttjax.config.settings import Settings
from mttjax.datasets import Dataset
from mttjax.paper.cells import CellResult, moments, set_folder
from mttjax.paper.csv_file import write_csv
from mttjax.paper.table.full_data import FullRow
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.published import SOURCES, published_caption, published_figure
from mttjax.reporting import markdown_table, percent, save_grid, write_page
from mttjax.runs.folder import RunFolder
from mttjax.system.files import atomically

__all__ = ["Report"]

NAMES = TITLES | {
    "full_experts": "Full data, experts' recipe",
    "full_better": "Full data, trained better",
}
DETAILS = (
    *("method", "accuracy, %", "sets", "networks", "steps of published", "α"),
    *("making, min", "evaluating, min", "peak, MiB"),
)
PER_SET = ("seconds", "evaluation_seconds", "peak_bytes", "steps", "lr")
COLUMNS = (
    *("method", "ipc", "mean", "std", "networks", "published_percent", *PER_SET, "sets"),
    "published_in",
)


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
        write_csv(self.folder / "table.csv", COLUMNS, _numbers(self.dataset, rows))
        return write_page(
            self.folder,
            title=title,
            summary=caption,
            tables=tables,
            figures=_grids(self.folder, pooled),
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
        accuracies=[a for result in results for a in result.accuracies],
        seconds=statistics.fmean(result.seconds for result in results),
        evaluation_seconds=statistics.fmean(result.evaluation_seconds for result in results),
        peak_bytes=max((r.peak_bytes for r in results if r.peak_bytes), default=None),
    )


def _overview(plan, dataset, rows):
    """The paper's table: a row per method, a column per size, published figures beside."""
    headers, ratios = ["method"], ["ratio, % of the training images"]
    for ipc in plan.ipc:
        headers += [f"{ipc} per class", "published"]
        ratios += [f"{100 * ipc * dataset.n_classes / len(dataset.train.labels):.2f}", ""]
    lines = {method: [NAMES[method]] for method, _ in rows}
    for method, line in lines.items():
        for ipc in plan.ipc:
            # Networks trained on all images have no size: theirs is in every column.
            result, _ = rows.get((method, ipc)) or rows.get((method, None), (None, 0))
            line.append(percent(*moments(result.accuracies)) if result else "")
            figure = published_figure(dataset.name, method, ipc)
            line.append(f"{figure.percent} {figure.mark}" if figure else "")
    return "Test accuracy, %", headers, [ratios, *lines.values()]


def _details(ipc, pooled, dataset):
    rows = [
        (
            NAMES[method],
            percent(*moments(result.accuracies)),
            sets,
            len(result.accuracies),
            _steps(method, ipc, dataset, result.steps),
            f"{result.lr:.4f}",
            f"{result.seconds / 60:.1f}",
            f"{result.evaluation_seconds / 60:.1f}",
            "" if result.peak_bytes is None else f"{result.peak_bytes / 2**20:.0f}",
        )
        for (method, size), (result, sets) in pooled.items()
        if size == ipc
    ]
    return f"{ipc} image{'' if ipc == 1 else 's'} per class", DETAILS, rows


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
        yield method, ipc, *score, percent, *per_set, sets, source


def _grids(folder, pooled):
    """The images of every method, as pixels; of the first seed."""
    figures = []
    for method, ipc in pooled:
        run = RunFolder(set_folder(folder, Cell(method, ipc, 0).name))
        grid, source = folder / "grids" / f"{method}_ipc{ipc}.png", run.set_path("last")
        if not grid.exists() or grid.stat().st_mtime < source.stat().st_mtime:
            made = run.load("last")
            shown = (made.images, made.classes, made.class_names)
            save_grid(grid, *shown, preprocessing=made.preprocessing)
        figures.append((grid, f"{NAMES[method]}, {ipc} per class"))
    return figures
