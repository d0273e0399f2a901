"""The table: every method at every size under one evaluator, cell by cell."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from mttjax.config.checks import RANGES, check_options, check_settings
from mttjax.config.methods import METHODS
from mttjax.config.presets import settings_of
from mttjax.config.protocol import Protocol
from mttjax.paper.cells import Cell, run_cell
from mttjax.paper.table.full_data import FullData, experts_row, train_better
from mttjax.paper.table.report import write_report
from mttjax.runs.workflows import load_data, preprocessing_of
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.locks import shared

__all__ = ["PROTOCOLS", "Plan", "compare"]

PROTOCOLS = {"paper": Protocol(), "short": Protocol(epochs=300)}
"""How networks are trained on the sets: as in MTT's paper, or for 300 epochs."""

DRAWN = ("random",)
"""Methods of which a set is nothing but a draw: these have several."""


@dataclass(frozen=True)
class Plan:
    """What the table holds."""

    ipcs: tuple[int, ...]
    methods: tuple[str, ...] = METHODS
    protocol: str = "paper"
    """A name in ``PROTOCOLS``."""
    networks: int = 5
    """Networks per set."""
    seeds: int = 1
    """Runs of every method that learns, each with a seed of its own."""
    draws: int = 3
    """Sets of random images."""
    kind: str = "last"
    """`last`, or `best` on validation."""
    full: FullData | None = dataclasses.field(default_factory=FullData)
    """How the networks of the last row are trained; None: no such row."""

    def cells(self):
        """All cells, by size and then in the table's order."""
        for ipc in self.ipcs:
            for method in (m for m in METHODS if m in self.methods):
                for seed in range(self.draws if method in DRAWN else self.seeds):
                    yield Cell(method, ipc, seed)


def compare(preset, plan, folder, change=lambda settings: settings, command="", log=print):
    """Fills the table; cells that are there with these settings are not computed again.

    Args:
      preset: a preset's module.
      plan: a ``Plan``.
      folder: where sets, cells and tables go.
      change: ``change(settings) -> settings``, what differs from the preset.
      command: for the page, what made it.
      log: called with lines of text.

    Returns:
      The path of the page.

    Raises:
      InputError: an unknown method or protocol, or settings that do not fit.
      Diverged, Stopped: see ``run_distill``.
    """
    _check(plan)
    folder = Path(folder)
    protocol = dataclasses.replace(PROTOCOLS[plan.protocol], networks=plan.networks)
    settings = {cell: change(settings_of(preset, cell.ipc, cell.method)) for cell in plan.cells()}
    base = change(preset.get_config(plan.ipcs[0]))
    for own in (base, *settings.values()):
        check_settings(own)
    dataset = load_data(base)
    results = {}
    with shared(folder):
        for cell, own in settings.items():
            results[cell] = run_cell(
                cell, own, dataset, folder, protocol, plan.protocol, kind=plan.kind, log=log
            )
            write_report(folder, plan, base, dataset, results, {}, command)
        full = {"experts": experts_row(base)}
        if plan.full:
            preprocessing = preprocessing_of(base, dataset)
            full["better"] = train_better(base, dataset, preprocessing, plan.full, folder, log)
        return write_report(folder, plan, base, dataset, results, full, command)


def _check(plan):
    unknown = [m for m in plan.methods if m not in METHODS]
    if unknown or not plan.methods:
        given = " ".join(map(str, unknown)) or "(nothing)"
        raise InputError(f"--methods {given}: known are {' '.join(METHODS)}")
    if plan.protocol not in PROTOCOLS:
        raise InputError(f"--protocol {plan.protocol!r}: it is one of {', '.join(PROTOCOLS)}")
    for name, numbers in {
        "ipc": plan.ipcs or (0,),
        "networks": (plan.networks,),
        "seeds": (plan.seeds,),
        "draws": (plan.draws,),
    }.items():
        if not all(is_whole(n) and RANGES[name].holds(n) for n in numbers):
            given = " ".join(map(str, numbers))
            raise InputError(f"--{name} {given}: must be whole numbers {RANGES[name]}")
    if plan.full:
        check_options(plan.full)
    if plan.kind not in ("last", "best"):
        raise InputError(f"--kind {plan.kind!r}: it is last or best")
