"""The table as Markdown, CSV and a page, in the paper's row order."""

import statistics
from collections.abc import Mapping
from pathlib import Path

from mttjax.config.methods import METHODS, TITLES, published_settings
from mttjax.config.settings import Settings
from mttjax.datasets import Dataset
from mttjax.paper.cells import CellResult, moments, set_folder
from mttjax.paper.csv_file import write_csv
from mttjax.paper.table.full_data import FullRow
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.published import FULL_DATA, published_figure, published_protocols
from mttjax.reporting import markdown_table, percent, save_grid, write_page
from mttjax.runs.folder import RunFolder
from mttjax.system.files import atomically

__all__ = ["write_report"]

ROWS = {"experts": "Full data, experts' recipe", "better": "Full data, trained better"}

DETAILS = (
    "method",
    "accuracy, %",
    "sets",
    "networks",
    "steps of published",
    "α",
    "making, min",
    "evaluating, min",
    "peak, MiB",
)
PER_SET = ("seconds", "evaluation_seconds", "peak_bytes", "steps", "lr")
COLUMNS = ("method", "ipc", "mean", "std", "networks", "published_percent", *PER_SET, "sets")


def write_report(
    folder: Path,
    plan: Plan,
    settings: Settings,
    dataset: Dataset,
    results: Mapping[Cell, CellResult],
    full: Mapping[str, FullRow],
    command: str,
) -> Path:
    """Writes ``table.md``, ``table.csv`` and ``index.html``; returns the page's path.

    Args:
      folder: the table's.
      plan: what the table holds.
      settings: those that the cells share.
      dataset: the real images.
      results: those that are there so far.
      full: by names in ``ROWS``.
      command: what made the table.
    """
    pooled = _pooled(results)
    tables = [_overview(plan, dataset, pooled, full)]
    tables += [_details(ipc, pooled) for ipc in plan.ipcs]
    caption = _caption(plan, settings, dataset, results, full)
    title = f"{dataset.name}: every method, one evaluator"
    text = [f"# {title}", "", caption, "", "```sh", command, "```"]
    for heading, headers, rows in tables:
        text += ["", f"## {heading}", "", markdown_table(headers, rows)]
    with atomically(folder / "table.md", "w") as file:
        file.write("\n".join(text) + "\n")
    write_csv(folder / "table.csv", COLUMNS, _rows(dataset, pooled, full))
    return write_page(
        folder,
        title=title,
        summary=caption,
        tables=tables,
        figures=_grids(folder, pooled),
        settings={},
        command=command,
    )


def _pooled(results):
    """(method, ipc) -> its result over all sets and how many they are, in the table's order."""
    sets = {}
    for method in METHODS:
        for cell, result in results.items():
            if cell.method == method:
                sets.setdefault((method, cell.ipc), []).append(result)
    return {place: (_together(of_place), len(of_place)) for place, of_place in sets.items()}


def _together(results):
    return results[0]._replace(
        accuracies=[a for result in results for a in result.accuracies],
        seconds=statistics.fmean(result.seconds for result in results),
        evaluation_seconds=statistics.fmean(result.evaluation_seconds for result in results),
        peak_bytes=max((r.peak_bytes for r in results if r.peak_bytes), default=None),
    )


def _overview(plan, dataset, pooled, full):
    """The paper's table: a row per method, a column per size, published figures beside."""
    headers, ratios = ["method"], ["ratio, % of the training images"]
    for ipc in plan.ipcs:
        headers += [f"{ipc} per class", "published"]
        ratios += [f"{100 * ipc * dataset.n_classes / len(dataset.train.labels):.2f}", ""]
    rows = [ratios]
    for method in dict.fromkeys(method for method, _ in pooled):
        row = [TITLES[method]]
        for ipc in plan.ipcs:
            result, _ = pooled.get((method, ipc), (None, 0))
            row.append(percent(*moments(result.accuracies)) if result else "")
            row.append(published_figure(dataset.name, method, ipc) or "")
        rows.append(row)
    for name, result in full.items():
        known = FULL_DATA.get(dataset.name, "") if name == "better" else ""
        score = percent(*moments(result.accuracies))
        rows.append([ROWS[name], *[score, known] * len(plan.ipcs)])
    return "Test accuracy, %", headers, rows


def _details(ipc, pooled):
    rows = [
        (
            TITLES[method],
            percent(*moments(result.accuracies)),
            sets,
            len(result.accuracies),
            _steps(method, ipc, result.steps),
            f"{result.lr:.4f}",
            f"{result.seconds / 60:.1f}",
            f"{result.evaluation_seconds / 60:.1f}",
            "" if result.peak_bytes is None else f"{result.peak_bytes / 2**20:.0f}",
        )
        for (method, size), (result, sets) in pooled.items()
        if size == ipc
    ]
    return f"{ipc} image{'' if ipc == 1 else 's'} per class", DETAILS, rows


def _steps(method, ipc, steps):
    if not steps:
        return ""
    if method == "ld":  # its paper does not say how many
        return f"{steps}"
    return f"{steps} of {published_settings(method, ipc).steps}"


def _caption(plan, settings, dataset, results, full):
    net, ops = settings.network, " ".join(settings.ops) or "none"
    lines = [
        f"{plan.networks} networks ({net.name}, depth {net.depth}, width {net.width}) trained on "
        f"each set by the protocol '{plan.protocol}' with DSA ({ops}), "
        f"then tested on {len(dataset.test.labels)} images: mean ± population standard deviation. "
        f"MTT and DD train at the rate learned with the set (DD at the mean of its rates), all "
        f"others at theirs. {len(dataset.train.labels)} training images.",
        "Time is that of the steps alone, without compiling; experts are not counted in. CAFE runs "
        "in DC's fixed loops. Peak is the highest memory in use: the process's on a CPU, with data "
        "and compiled programs, else the device's.",
        "Measured on: " + "; ".join(sorted({r.where for r in results.values()})) + ".",
    ]
    if protocols := published_protocols(dataset.name):
        lines.insert(2, f"Published figures are their papers' own, at width 128: {protocols}.")
    for name, result in full.items():
        lines.append(
            f"{ROWS[name]}: {len(result.accuracies)} networks of {result.epochs} epochs, "
            f"{result.seconds / 60:.0f} minutes in all."
        )
    return "\n\n".join(lines)


def _rows(dataset, pooled, full):
    """Those of the CSV."""
    for (method, ipc), (result, sets) in pooled.items():
        known = published_figure(dataset.name, method, ipc)
        numbers = (*moments(result.accuracies), len(result.accuracies), known)
        yield method, ipc, *numbers, *(getattr(result, name) for name in PER_SET), sets
    for name, result in full.items():
        known = FULL_DATA.get(dataset.name) if name == "better" else None
        numbers = (*moments(result.accuracies), len(result.accuracies), known)
        yield f"full_{name}", "", *numbers, result.seconds, *[None] * len(PER_SET)


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
        figures.append((grid, f"{TITLES[method]}, {ipc} per class"))
    return figures
