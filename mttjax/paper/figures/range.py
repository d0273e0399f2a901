"""Accuracy against the range matched: S student steps against M epochs of the expert.

Cazenavette et al., CVPR 2022, section 4.2, "Short-Range vs. Long-Range Matching": a short range
is a small S with a small M, as in the methods that match single steps.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from mttjax.config.methods import MTT
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.experts.store import ExpertStore
from mttjax.paper.cells import CellResult, moments, run_cell
from mttjax.paper.csv_file import write_csv
from mttjax.paper.figures.plans import Sweep
from mttjax.reporting.plots import figure, legend_below, shades
from mttjax.runs.problem import load_data
from mttjax.system.errors import InputError
from mttjax.system.files import remove_leftovers, write_json
from mttjax.system.units import do_units, look_at_units

__all__ = ["HEADERS", "draw_range"]

HEADERS = ("student_steps", "expert_epochs", "mean", "std", "networks", "lr", "seconds")


def draw_range(
    settings: Settings[MTT],
    sweep: Sweep,
    folder: str | Path,
    *,
    command: str = "",
    log: Callable[[str], object] = print,
    worker: int | None = None,
    only_look: bool = False,
) -> list[Path]:
    """One MTT distillation per (S, M), each set evaluated; goes on where it was stopped.

    The runs are not evaluated on the way: what counts is the last set, on the test set.

    Args:
      settings: those of MTT that all cells share.
      sweep: what is swept.
      folder: where sets, cells and the figure go; results that are there are not made again.
      command: kept with the results, what made them.
      log: called with lines of text.
      worker: see ``do_units``; a worker draws nothing.
      only_look: draw what is there, and say what is not.

    Returns:
      The paths of ``range.csv``, ``range.json`` and ``range.png``; they are written anew
      after every cell.

    Raises:
      InputError: too few experts for the largest M, or a set that had more outer steps before
        than are asked for.
      Incomplete: some cells failed; the others are done and drawn.
      Stopped: see ``distill``.
    """
    folder = Path(folder)
    remove_leftovers(folder)
    _require_experts(settings, max(sweep.expert_epochs))
    settings = _with(settings, validation=Protocol(networks=0))
    dataset = load_data(settings, log)
    how = (dataset, folder, sweep.protocol, sweep.protocol_name)
    units = {
        f"S{s}-M{m}": partial(
            run_cell,
            f"S{s}-M{m}",
            _with(settings, student_steps=s, expert_epochs=m),
            *how,
            only_look=only_look,
            log=log,
        )
        for s, m in sweep.cells()
    }
    results: dict[str, CellResult] = {}

    def on_done(name: str, result: CellResult) -> None:
        results[name] = result
        if worker is None:
            _write(folder, settings, sweep, results, command)

    marks = folder / "cells" / sweep.protocol_name
    if only_look:
        look_at_units(units, marks, on_done, log)
    else:
        do_units(units, marks, on_done, worker=worker, log=log)
    return [folder / f"range.{kind}" for kind in ("csv", "json", "png")]


def _write(folder, settings, sweep, results, command):
    """The figure of the cells that are there."""
    rows: list[tuple[float, ...]] = []
    for s, m in sweep.cells():
        if result := results.get(f"S{s}-M{m}"):
            score = (*moments(result.accuracies), len(result.accuracies))
            rows.append((s, m, *score, result.lr, result.seconds))
    record = {
        "command": command,
        "settings": settings.record(),
        "protocol": dataclasses.asdict(sweep.protocol),
        "cells": [dict(zip(HEADERS, row, strict=True)) for row in rows],
    }
    write_json(folder / "range.json", record)
    write_csv(folder / "range.csv", HEADERS, rows)
    _plot(folder / "range.png", settings, sweep, rows)


def _with(settings, **changes):
    distill = dataclasses.replace(settings.distill, **changes)
    return dataclasses.replace(settings, distill=distill)


def _require_experts(settings, most_epochs):
    """The largest M is tried first: a sweep should not end in an error after hours."""
    last = _with(settings, expert_epochs=most_epochs).distill.epochs_needed
    store = ExpertStore(settings.expert_folder)
    ready, count = len(store.experts_with(last)), settings.experts.count
    if ready < count:
        raise InputError(
            f"expert_epochs is {most_epochs}: {ready} experts in {store.folder} have the {last} "
            f"epochs that are read (max_start {settings.distill.max_start} - 1 + {most_epochs}) "
            f"and {count} are needed. Train more with train_experts, or lower max_start or "
            "expert_epochs"
        )


def _plot(path, settings, sweep, rows):
    lines = sorted({s for s, *_ in rows})
    epochs = sorted(set(sweep.expert_epochs))
    # Beside each other, or the bars of one M would hide each other.
    step = 0.025 * (epochs[-1] - epochs[0] or 1)
    with figure(path, (6.4, 4.4)) as axes:
        panel = axes[0, 0]
        for i, (s, colour) in enumerate(zip(lines, shades(len(lines)), strict=True)):
            m, mean, std = np.array([row[1:4] for row in rows if row[0] == s]).T
            places = m + (i - (len(lines) - 1) / 2) * step
            look = {"color": colour, "marker": "o", "markersize": 4, "capsize": 3}
            label = f"S = {s} student step{'' if s == 1 else 's'}"
            panel.errorbar(places, 100 * mean, 100 * std, label=label, **look)
        size = f"{settings.ipc} image{'' if settings.ipc == 1 else 's'} per class"
        panel.set_title(f"{settings.data.dataset}, {size}: test accuracy by the range matched")
        panel.set_xlabel("M, epochs of the expert that are matched")
        panel.set_ylabel("test accuracy, %")
        panel.set_xticks(epochs)
        legend_below(panel)
