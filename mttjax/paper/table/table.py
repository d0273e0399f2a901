"""The table: every method at every size under one evaluator, cell by cell."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from mttjax.config.presets import Preset
from mttjax.config.settings import Settings
from mttjax.paper.cells import CellResult, run_cell
from mttjax.paper.table.full_data import experts_row, train_better
from mttjax.paper.table.plan import PROTOCOLS, Cell, Plan
from mttjax.paper.table.report import write_report
from mttjax.runs.problem import prepare

__all__ = ["compare"]


def compare(
    preset: Preset,
    plan: Plan,
    folder: str | Path,
    change: Callable[[Settings], Settings] = lambda settings: settings,
    command: str = "",
    log: Callable[[str], object] = print,
) -> Path:
    """Fills the table; cells that are there with these settings are not computed again.

    Args:
      preset: the settings of every method at every size.
      plan: what the table holds.
      folder: where sets, cells and tables go.
      change: what differs from the preset.
      command: for the page, what made it.
      log: called with lines of text.

    Returns:
      The path of the page, which is written anew after every cell.

    Raises:
      InputError: settings that do not fit the data or the experts.
      Diverged, Stopped: see ``distill``.
    """
    folder = Path(folder)
    protocol = dataclasses.replace(PROTOCOLS[plan.protocol], networks=plan.networks)
    settings = {
        cell: change(preset.settings(cell.ipc, cell.method)).with_seed(cell.seed)
        for cell in plan.cells()
    }
    # Of all methods it asks least: no experts, no steps.
    base = change(preset.settings(plan.ipcs[0], "random"))
    problem = prepare(base, log=log)
    dataset, store = problem.dataset, problem.store
    if store.exists:  # also where no cell looks at them: a row of the table does
        store.require(base.recipe(), dataset)
    results: dict[Cell, CellResult] = {}
    for cell, own in settings.items():
        how = (dataset, folder, protocol, plan.protocol)
        results[cell] = run_cell(cell.name, own, *how, kind=plan.kind, log=log)
        write_report(folder, plan, base, dataset, results, {}, command)
    full = {"experts": experts_row(store)}
    if plan.full:
        full["better"] = train_better(problem, plan.full, folder, log)
    rows = {name: row for name, row in full.items() if row}
    return write_report(folder, plan, base, dataset, results, rows, command)
