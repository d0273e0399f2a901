"""The table: every method at every size under one evaluator, cell by cell."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.config.methods import SELECTIONS
from mttjax.config.presets import Preset
from mttjax.config.settings import Settings
from mttjax.paper.cells import run_cell
from mttjax.paper.table.full_data import experts_row, train_better
from mttjax.paper.table.plan import PROTOCOLS, Plan
from mttjax.paper.table.report import Report
from mttjax.runs.problem import prepare
from mttjax.system.errors import InputError
from mttjax.system.files import remove_leftovers
from mttjax.system.units import do_units, look_at_units

__all__ = ["compare"]

FULL = "full_data"
"""The unit of the networks that are trained on all real images."""


def compare(
    preset: Preset,
    plan: Plan,
    folder: str | Path,
    change: Callable[[Settings], Settings] = lambda settings: settings,
    command: str = "",
    log: Callable[[str], object] = print,
    *,
    worker: int | None = None,
    only_look: bool = False,
) -> Path:
    """Fills the table; cells that are there with these settings are not computed again.

    Several processes may fill one table: each takes the cells that no other is at.

    Args:
      preset: the settings of every method at every size.
      plan: what the table holds.
      folder: where sets, cells and tables go.
      change: what differs from the preset.
      command: for the page, what made it.
      log: called with lines of text.
      worker: see ``do_units``; a worker writes no table.
      only_look: write the table of what is there, and say what is not.

    Returns:
      The path of the page, which is written anew after every cell.

    Raises:
      InputError: settings that do not fit the data or the experts.
      Incomplete: some cells failed; the others are done and in the table.
      Stopped: see ``distill``.
    """
    folder, plan = Path(folder), dataclasses.replace(plan, ipc=plan.ipc or preset.ipcs)
    protocol = dataclasses.replace(PROTOCOLS[plan.protocol], networks=plan.networks)
    settings = {cell: _of_cell(cell, preset, change, plan.kind) for cell in plan.cells()}
    remove_leftovers(folder)
    # Of all methods it asks least: no experts, no steps.
    base = change(preset.settings(plan.ipc[0], "random"))
    problem = prepare(base, log=log)
    dataset, store = problem.dataset, problem.store
    if store.exists:  # also where no cell looks at them: a row of the table does
        store.require(base.recipe(), dataset)
    for note in filter(None, dict.fromkeys(preset.note(c.ipc, c.method) for c in settings)):
        log(note)
    _require_enough_images(settings, dataset)
    report = Report(folder, plan, base, dataset, command)
    if store.exists and not store.tested_on(dataset):
        log(f"{store.folder}: these experts were tested on other images; their row is left out")
    elif row := experts_row(store):
        report.full["full_experts"] = row
    how: dict[str, Any] = {"only_look": only_look, "log": log}
    units = _cells(settings, (dataset, folder, protocol, plan.protocol), kind=plan.kind, **how)
    if plan.full:
        units[FULL] = partial(train_better, problem, plan.full_data, folder, **how)
    on_done = partial(_add, report, {cell.name: cell for cell in settings}, worker is None)
    marks = folder / "cells" / plan.protocol
    if only_look:
        look_at_units(units, marks, on_done, log)
    else:
        do_units(units, marks, on_done, worker=worker, log=log)
    return folder if worker is not None else report.write()


def _cells(settings, where, **how):
    """By its name, what does each cell."""
    return {
        cell.name: partial(run_cell, cell.name, own, *where, **how)
        for cell, own in settings.items()
    }


def _add(report, cells, write, name, result):
    """Adds what is done to the report, and writes it."""
    if name == FULL:
        report.full["full_better"] = result
    else:
        report.results[cells[name]] = result
    if write:
        report.write()


def _of_cell(cell, preset, change, kind):
    """The settings of a cell's run, which scores on test where the best on test is wanted."""
    settings = dataclasses.replace(change(preset.settings(cell.ipc, cell.method)), seed=cell.seed)
    if kind != "best_on_test" or cell.method in SELECTIONS:
        return settings
    distill = dataclasses.replace(settings.distill, track_test=True)
    return dataclasses.replace(settings, distill=distill)


def _require_enough_images(settings, dataset):
    """Before the first cell: what cannot be done is not found out after hours."""
    real = [c for c, s in settings.items() if getattr(s.distill, "initial", "real") == "real"]
    most = max((cell.ipc for cell in real), default=0)
    counts = np.bincount(dataset.train.labels, minlength=dataset.n_classes)
    if most > counts.min():
        name = dataset.class_names[int(counts.argmin())]
        raise InputError(
            f"ipc is {most}: class {name} has {counts.min()} training images. Give fewer, or "
            "methods that begin with noise"
        )
