"""The table as Markdown, CSV and a page, in the paper's row order."""

import csv
import io
from pathlib import Path

import numpy as np

from mttjax.config.methods import METHODS, TITLES, published_settings
from mttjax.distilled import load_distilled
from mttjax.paper.cells import Cell, set_path
from mttjax.paper.table.published import FULL_DATA, published_figure, published_protocols
from mttjax.reporting import markdown_table, percent, save_grid, write_page
from mttjax.system.files import atomically

__all__ = ["write_report"]

ROWS = {"experts": "Full data, experts' recipe", "better": "Full data, trained better"}


def write_report(folder, plan, settings, dataset, results, full, command):
    """Writes ``table.md``, ``table.csv`` and ``index.html``; returns the page's path.

    Args:
      folder: the table's.
      plan: a ``Plan``.
      settings: the ``Settings`` that the cells share.
      dataset: a ``Dataset``.
      results: ``Cell`` -> result.
      full: a name in ``ROWS`` -> result or None.
      command: what made the table.
    """
    folder = Path(folder)
    pooled = _pooled(results)
    full = {name: result for name, result in full.items() if result}
    tables = [_overview(plan, dataset, pooled, full)]
    tables += [_details(ipc, dataset, pooled) for ipc in plan.ipcs]
    caption = _caption(plan, settings, dataset, pooled, full)
    title = f"{dataset.name}: every method, one evaluator"
    text = [f"# {title}", "", caption, "", "```sh", command, "```"]
    for heading, headers, rows in tables:
        text += ["", f"## {heading}", "", markdown_table(headers, rows)]
    with atomically(folder / "table.md", "w") as file:
        file.write("\n".join(text) + "\n")
    with atomically(folder / "table.csv", "w") as file:
        file.write(_as_csv(dataset, pooled, full))
    return write_page(
        folder,
        title=title,
        summary=caption,
        tables=tables,
        figures=_grids(folder, plan, pooled),
        settings={},
        command=command,
    )


def _pooled(results):
    """(method, ipc) -> its result over all seeds."""
    pooled = {}
    for cell, result in results.items():
        pooled.setdefault((cell.method, cell.ipc), []).append(result)
    return {place: _together(each) for place, each in pooled.items()}


def _together(each):
    accuracies = [a for result in each for a in result["accuracies"]]
    where = {f"{r['hardware']}, {r['date']}, jax {r['versions']['jax']}" for r in each}
    peaks = [result["peak_bytes"] for result in each if result["peak_bytes"]]
    return {
        "accuracies": accuracies,
        "sets": len(each),
        "seconds": sum(result["seconds"] for result in each) / len(each),
        "evaluation_seconds": sum(r["evaluation_seconds"] for r in each) / len(each),
        "peak_bytes": max(peaks, default=None),
        "steps": each[0]["settings"]["distill"].get("steps"),
        "lr": each[0]["lr"],
        "where": sorted(where),
    }


def _score(result):
    return percent(np.mean(result["accuracies"]), np.std(result["accuracies"]))


def _overview(plan, dataset, pooled, full):
    """The paper's table: a row per method, a column per size, published figures beside."""
    headers = ["method"]
    for ipc in plan.ipcs:
        headers += [f"{ipc} per class", "published"]
    one_per_class = 100 * dataset.n_classes / len(dataset.train.labels)
    ratios = [f"{ipc * one_per_class:.2f}" for ipc in plan.ipcs]
    rows = [["ratio, % of the training images", *(x for r in ratios for x in (r, ""))]]
    for method in METHODS:
        if not any((method, ipc) in pooled for ipc in plan.ipcs):
            continue
        row = [TITLES[method]]
        for ipc in plan.ipcs:
            result = pooled.get((method, ipc))
            row += [_score(result) if result else "", _published(dataset, method, ipc)]
        rows.append(row)
    for name, result in full.items():
        known = FULL_DATA.get(dataset.name, "") if name == "better" else ""
        rows.append([ROWS[name], *(x for _ in plan.ipcs for x in (_score(result), known))])
    return "Test accuracy, %", headers, rows


def _published(dataset, method, ipc):
    figure = published_figure(dataset.name, method, ipc)
    return "" if figure is None else f"{figure}"


def _details(ipc, dataset, pooled):
    headers = (
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
    rows = []
    for method in METHODS:
        result = pooled.get((method, ipc))
        if not result:
            continue
        peak = result["peak_bytes"]
        rows.append(
            (
                TITLES[method],
                _score(result),
                result["sets"],
                len(result["accuracies"]),
                _steps(method, ipc, result),
                f"{result['lr']:.4f}",
                f"{result['seconds'] / 60:.1f}",
                f"{result['evaluation_seconds'] / 60:.1f}",
                "" if peak is None else f"{peak / 2**20:.0f}",
            )
        )
    return f"{ipc} image{'' if ipc == 1 else 's'} per class", headers, rows


def _steps(method, ipc, result):
    if not result["steps"]:
        return ""
    if method == "ld":  # its paper does not say how many
        return f"{result['steps']}"
    return f"{result['steps']} of {published_settings(method, ipc).steps}"


def _caption(plan, settings, dataset, pooled, full):
    net, ops = settings.network, " ".join(settings.ops) or "none"
    where = sorted({place for result in pooled.values() for place in result["where"]})
    lines = [
        f"{plan.networks} networks ({net.name}, depth {net.depth}, width {net.width}) trained on "
        f"each set by the protocol '{plan.protocol}' with DSA ({ops}), "
        f"then tested on {len(dataset.test.labels)} images: mean ± population standard deviation. "
        f"MTT and DD train at the rate learned with the set (DD at the mean of its rates), all "
        f"others at theirs. {len(dataset.train.labels)} training images.",
        "Time is that of the steps alone, without compiling; experts are not counted in. CAFE runs "
        "in DC's fixed loops. Peak is the highest memory in use: the process's on a CPU, with data "
        "and compiled programs, else the device's.",
        "Measured on: " + "; ".join(where) + ".",
    ]
    if protocols := published_protocols(dataset.name):
        lines.insert(2, f"Published figures are their papers' own, at width 128: {protocols}.")
    for name, result in full.items():
        lines.append(
            f"{ROWS[name]}: {len(result['accuracies'])} networks of {result['epochs']} epochs, "
            f"{result['seconds'] / 60:.0f} minutes in all."
        )
    return "\n\n".join(lines)


def _as_csv(dataset, pooled, full):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("seconds", "evaluation_seconds", "peak_bytes", "steps", "lr", "sets")
    writer.writerow(("method", "ipc", "mean", "std", "networks", "published_percent", *names))
    for (method, ipc), result in pooled.items():
        scores = result["accuracies"]
        known = published_figure(dataset.name, method, ipc)
        numbers = (np.mean(scores), np.std(scores), len(scores), known)
        writer.writerow((method, ipc, *numbers, *(result[name] for name in names)))
    for name, result in full.items():
        scores = result["accuracies"]
        known = FULL_DATA.get(dataset.name) if name == "better" else None
        numbers = (np.mean(scores), np.std(scores), len(scores), known)
        writer.writerow((f"full_{name}", "", *numbers, *(result.get(n) for n in names)))
    return out.getvalue()


def _grids(folder, plan, pooled):
    """The images of every method, as pixels; of the first seed."""
    figures = []
    for method in METHODS:
        for ipc in plan.ipcs:
            if (method, ipc) not in pooled:
                continue
            source = set_path(folder, Cell(method, ipc, 0)) / "last.npz"
            grid = folder / "grids" / f"{method}_ipc{ipc}.png"
            if not grid.exists() or grid.stat().st_mtime < source.stat().st_mtime:
                made = load_distilled(source)
                shown = (made.images, made.classes, made.class_names)
                save_grid(grid, *shown, preprocessing=made.preprocessing)
            figures.append((grid, f"{TITLES[method]}, {ipc} per class"))
    return figures
