"""The table as Markdown, CSV and a page, in the paper's row order."""

import dataclasses
from pathlib import Path
from typing import Any

from mttjax.config.settings import Settings
from mttjax.datasets.dataset import Dataset
from mttjax.paper.cells import CellResult, moments
from mttjax.paper.csv_file import write_csv
from mttjax.paper.table.full_data import FullRow
from mttjax.paper.table.page import write_table_page
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.published import SOURCES, published_caption, published_figure
from mttjax.paper.table.rows import NAMES, details, overview, pooled, share
from mttjax.reporting import markdown_table
from mttjax.system.files import atomically

__all__ = ["Report"]

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
        results = pooled(self.results)
        rows: dict[tuple[str, int | None], Any] = {(m, ipc): of for (m, ipc), of in results.items()}
        rows |= {(name, None): (row, None) for name, row in self.full.items()}
        table = overview(self.plan, self.dataset, rows)
        title, caption = f"{self.dataset.name}: every method, one evaluator", _caption(self)
        self._write_markdown(title, caption, table, results)
        columns = (*COLUMNS, *(f"accuracy of {name}" for name in self.dataset.class_names))
        write_csv(self.folder / "table.csv", columns, _numbers(self.dataset, rows))
        return write_table_page(
            self.folder,
            self.plan,
            self.dataset,
            self.results,
            self.full,
            title=title,
            overview=table,
            measured=caption,
            command=self.command,
        )

    def _write_markdown(self, title, caption, table, results):
        ratios = ["ratio, % of the training images"]
        for name in table.headers[1:]:
            ipc = name.partition(" per class")[0]
            ratios.append(share(int(ipc), self.dataset) if ipc != name else "")
        of_sizes = [details(ipc, results, self.dataset.name) for ipc in self.plan.ipc]
        text = [f"# {title}", "", caption, "", "```sh", self.command, "```"]
        for one in (dataclasses.replace(table, rows=[ratios, *table.rows]), *of_sizes):
            text += ["", f"## {one.caption}", "", markdown_table(one.headers, one.rows)]
        with atomically(self.folder / "table.md", "w") as file:
            file.write("\n".join(text) + "\n")


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
