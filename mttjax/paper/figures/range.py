"""Accuracy against the range matched: S student steps against M epochs of the expert.

Cazenavette et al., CVPR 2022, section 4.2, "Short-Range vs. Long-Range Matching": a short range
is a small S with a small M, as in the methods that match single steps.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore
from mttjax.paper.cells import run_cell, set_path
from mttjax.paper.figures.data import require_at_least, write_csv
from mttjax.reporting.plots import figure, legend_below, shades
from mttjax.runs.workflows import load_data
from mttjax.system.errors import InputError
from mttjax.system.files import write_json
from mttjax.system.locks import shared

__all__ = ["HEADERS", "RangeCell", "Sweep", "draw_range"]

HEADERS = ("student_steps", "expert_epochs", "mean", "std", "networks", "lr", "seconds")


class RangeCell(NamedTuple):
    """One distillation of the sweep: S, M and the seed of its run."""

    student_steps: int
    expert_epochs: int
    seed: int

    @property
    def name(self):
        return f"S{self.student_steps}-M{self.expert_epochs}"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is swept, and how the sets are evaluated."""

    student_steps: tuple[int, ...]
    """S of every line."""
    expert_epochs: tuple[int, ...]
    """M of every point of a line."""
    protocol: Protocol = dataclasses.field(default_factory=Protocol)

    def cells(self, seed):
        """All cells, S by S; each once."""
        pairs = {(s, m): None for s in self.student_steps for m in self.expert_epochs}
        return [RangeCell(s, m, seed) for s, m in sorted(pairs)]


def draw_range(settings, sweep, folder, *, command="", log=print):
    """One MTT distillation per (S, M), each set evaluated; goes on where it was stopped.

    The runs are not evaluated on the way: what counts is the last set, on the test set.

    Args:
      settings: the ``Settings`` of MTT that all cells share.
      sweep: a ``Sweep``.
      folder: where sets, cells and the figure go; results that are there are not made again.
      command: kept with the results, what made them.
      log: called with lines of text.

    Returns:
      The paths of ``range.csv``, ``range.json`` and ``range.png``; they are written anew
      after every cell.

    Raises:
      InputError: numbers below 1, too few experts for the largest M, or a set that had more
        outer steps before than are asked for.
      Diverged, Stopped: see ``run_distill``.
    """
    folder = Path(folder)
    require_at_least(1, student_steps=sweep.student_steps, expert_epochs=sweep.expert_epochs)
    _require_experts(settings, max(sweep.expert_epochs))
    settings = _without_evaluations(settings)
    cells = sweep.cells(settings.seed)
    for cell in cells:
        _require_no_more_steps(set_path(folder, cell) / "last.npz", settings.distill.steps)
    dataset = load_data(settings)
    # The name is part of the path where a cell's result is kept: other protocols lie beside.
    name = f"{sweep.protocol.networks}x{sweep.protocol.epochs}"
    results = {}
    with shared(folder):
        for cell in cells:
            own = _cell_settings(settings, cell)
            results[cell] = run_cell(cell, own, dataset, folder, sweep.protocol, name, log=log)
            paths = _write(folder, settings, sweep, results, command)
    return paths


def _without_evaluations(settings):
    distill = dataclasses.replace(settings.distill, validation=Protocol(networks=0))
    return dataclasses.replace(settings, distill=distill)


def _cell_settings(settings: Settings, cell):
    swept = {"student_steps": cell.student_steps, "expert_epochs": cell.expert_epochs}
    return dataclasses.replace(settings, distill=dataclasses.replace(settings.distill, **swept))


def _require_experts(settings, most_epochs):
    """The largest M is tried first: a sweep should not end in an error after hours."""
    last = settings.distill.max_start - 1 + most_epochs
    store = ExpertStore(settings.expert_folder)
    ready, count = len(store.experts_with(last)), settings.experts.count
    if ready < count:
        raise InputError(
            f"--expert-epochs {most_epochs}: {ready} experts in {store.folder} have the {last} "
            f"epochs that are read (max_start {settings.distill.max_start} - 1 + {most_epochs}) "
            f"and {count} are needed. Train them with: bin/train_experts --config "
            f"{settings.name} --experts.count {count} --experts.epochs {last}, or lower "
            "--max-start or --expert-epochs"
        )


def _require_no_more_steps(path, steps):
    done = load_distilled(path).settings.get("step", 0) if path.exists() else 0
    if done > steps:
        raise InputError(
            f"--steps {steps}: the set in {path.parent} has had {done} already; ask for at least "
            "as many, or give another --folder"
        )


def _write(folder, settings, sweep, results, command):
    rows = [_row(cell, result) for cell, result in results.items()]
    record = {
        "command": command,
        "settings": settings.record(),
        "protocol": dataclasses.asdict(sweep.protocol),
        "cells": [dict(zip(HEADERS, row, strict=True)) for row in rows],
    }
    write_json(folder / "range.json", record)
    write_csv(folder / "range.csv", HEADERS, rows)
    _plot(folder / "range.png", settings, sweep, rows)
    return [folder / f"range.{kind}" for kind in ("csv", "json", "png")]


def _row(cell, result):
    scores = result["accuracies"]
    mean, std = float(np.mean(scores)), float(np.std(scores))
    counts = (len(scores), result["lr"], result["seconds"])
    return (cell.student_steps, cell.expert_epochs, mean, std, *counts)


def _plot(path, settings, sweep, rows):
    lines = sorted({s for s, *_ in rows})
    epochs = sorted(set(sweep.expert_epochs))
    # Beside each other, or the bars of one M would hide each other.
    step = 0.025 * (epochs[-1] - epochs[0] or 1)
    with figure(path, (6.4, 4.4)) as axes:
        panel = axes[0, 0]
        for i, (s, colour) in enumerate(zip(lines, shades(len(lines)), strict=True)):
            found = np.array([row[1:4] for row in rows if row[0] == s])
            places = found[:, 0] + (i - (len(lines) - 1) / 2) * step
            how = {"color": colour, "marker": "o", "markersize": 4, "capsize": 3}
            label = f"S = {s} student step{'' if s == 1 else 's'}"
            panel.errorbar(places, 100 * found[:, 1], 100 * found[:, 2], label=label, **how)
        size = f"{settings.ipc} image{'' if settings.ipc == 1 else 's'} per class"
        panel.set_title(f"{settings.data.dataset}, {size}: test accuracy by the range matched")
        panel.set_xlabel("M, epochs of the expert that are matched")
        panel.set_ylabel("test accuracy, %")
        panel.set_xticks(epochs)
        legend_below(panel)
