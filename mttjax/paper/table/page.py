"""The page of the table: what came out, a part for every size, how it was measured."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mttjax.config.methods import METHODS, SELECTIONS
from mttjax.datasets.dataset import Dataset
from mttjax.paper.cells import CellResult, moments, set_folder
from mttjax.paper.table.full_data import FullRow
from mttjax.paper.table.plan import Cell, Plan
from mttjax.paper.table.rows import NAMES, classes, details, of_size, pooled, share
from mttjax.reporting import page, write_page
from mttjax.reporting.blocks import Bar, Bars, Block, Code, Folded, Note, Section, Table
from mttjax.runs.beside import real_images
from mttjax.runs.folder import RunFolder
from mttjax.runs.shown import images_shown

__all__ = ["write_table_page"]

_BARS = (
    "Bars: mean test accuracy of the networks, of what was learned in colour, of real images in "
    "grey; lines across their ends: ±\N{NO-BREAK SPACE}1 standard deviation."
)


def write_table_page(
    folder: Path,
    plan: Plan,
    dataset: Dataset,
    cells: Mapping[Cell, CellResult],
    full: Mapping[str, FullRow],
    *,
    title: str,
    overview: Table,
    measured: str,
    command: str,
) -> Path:
    """Writes the ``index.html`` of a table; returns its path.

    Args:
      folder: the table's.
      plan: what it holds.
      dataset: the real images.
      cells: what there is of them so far.
      full: networks trained on all real images, by ``full_experts`` and ``full_better``.
      title: the heading.
      overview: the paper's table.
      measured: how, in plain text.
      command: what made it.
    """
    lead = (
        f"Test accuracy of networks trained on few images of {dataset.name} that a method chose or "
        "learned, and on all."
    )
    if "published" in overview.headers:
        lead += " Numbers in brackets name the sources of published figures, under “How it was "
        lead += "measured”."
    sections = [
        Section("All methods and sizes", [overview]),
        *(_of_size(folder, ipc, dataset, cells, full) for ipc in plan.ipc),
        Section("How it was measured", [Note(measured)]),
        Section("Run it again", [Code("command", command)] if command else []),
    ]
    return write_page(folder, page(title, lead, sections))


def _of_size(folder, ipc, dataset, cells, full):
    results = pooled(cells)
    found = of_size(ipc, results)
    table = details(ipc, results, dataset.name)
    bars = [Bar(NAMES[m], *moments(r.accuracies), m in SELECTIONS) for m, (r, _) in found.items()]
    bars += [Bar(NAMES[name], *moments(row.accuracies), True) for name, row in full.items()]
    if not found:
        return Section(table.caption, [])
    of_all = Note(
        f"{share(ipc, dataset)} % of the training images. The images shown of a method are those "
        "of its first seed."
    )
    about = dataclasses.replace(table, caption="Accuracy, and what it took")
    blocks = [of_all, Bars(_BARS, bars), about]
    blocks.append(Folded("Accuracy of each class", [classes(ipc, results, dataset)]))
    return Section(table.caption, [*blocks, *_pictures(folder, ipc, cells, dataset)])


def _pictures(folder, ipc, cells, dataset):
    """A heading and the images of every method, of the first seed that is there; those that are
    learned beside real ones."""
    real, shown = real_images(dataset), list[Block]()
    for method in METHODS:
        seeds = [cell.seed for cell in cells if (cell.method, cell.ipc) == (method, ipc)]
        if seeds:
            made = RunFolder(set_folder(folder, Cell(method, ipc, min(seeds)).name)).load("last")
            images = images_shown(made, method, real, most=5)
            shown.append(Section(f"{NAMES[method]}, {ipc} per class", [images]))
    return shown
