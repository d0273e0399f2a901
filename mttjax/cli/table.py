"""``mttjax table``: every method at every size under one evaluator."""

import argparse
import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from mttjax.cli.advice import advising, changes, typed
from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_config, require_folder
from mttjax.config.presets import load_preset
from mttjax.config.settings import Data, Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.paper.table.plan import Plan
from mttjax.paper.units import Incomplete, forget_failures
from mttjax.system.console import tell
from mttjax.system.fields import COUNT_OR_ZERO, Range
from mttjax.system.workers import SOME_FAILED, itself, run_workers

__all__ = ["TableOptions", "main"]


@dataclasses.dataclass(frozen=True)
class TableData(RealData):
    """Where the real images come from, and how many of them are trained on."""

    validation: Annotated[float | None, Range(0, 0.5)] = None
    """The fraction of the training images that selection is done on; 0: all are trained on, as
    in the papers. None: the preset's."""

    def over(self, data: Data) -> Data:
        """``data`` with what was given here."""
        validation = data.validation if self.validation is None else self.validation
        return dataclasses.replace(super().over(data), validation=validation)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableOptions(Plan):
    """Makes a set by every method at every size, and evaluates all in one way.

    Cells are kept: the same command goes on where it was stopped, and others add to it. With
    --minutes N it ends in time.
    """

    config: str
    """A preset's name, or the path of one."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-table, of own data runs/PRESET-DATA-table."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    network: NetworkSpec = dataclasses.field(default_factory=NetworkSpec)
    """The network of experts, students and evaluation."""
    data: TableData = dataclasses.field(default_factory=TableData)
    workers: Annotated[int, Range(1, 1000)] = 1
    """So many processes share the cells: each has its share of the cores, or a card. Commands typed
    apart share them too, on several machines with one folder."""
    report: bool = False
    """Make nothing: write the table of what is there, and say what is missing, failed or at
    work."""
    worker: Annotated[int | None, COUNT_OR_ZERO] = None
    """Be one of several: take what no other is at, leave alone what failed, write no table."""

    def change(self, settings: Settings, usual: NetworkSpec) -> Settings:
        """The preset's settings, of any row, with what was given here and is not ``usual``."""
        experts = self.experts or settings.experts.folder
        given = {n: v for n, v in vars(self.network).items() if v != getattr(usual, n)}
        return dataclasses.replace(
            settings,
            data=self.data.over(settings.data),
            experts=dataclasses.replace(settings.experts, folder=experts),
            network=dataclasses.replace(settings.network, **given),
        )


@messages
def main(arguments: Sequence[str]) -> int:
    """The paper's comparison."""
    first = argparse.ArgumentParser(prog="mttjax table", add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    config = first.parse_known_args(arguments)[0].config
    if config is None:
        require_config(arguments)
        config = "digits"
    preset = load_preset(config)
    usual = preset.settings()
    default = TableOptions(config=config, network=usual.network)
    options = tyro.cli(TableOptions, default=default, args=arguments, prog="mttjax table")
    require_folder("--folder", options.folder)
    require_folder("--experts", options.experts)
    change = partial(options.change, usual=usual.network)
    changed = change(usual)
    folder = options.folder or Path("runs") / f"{changed.run_name}-table"
    from mttjax.paper.table.table import compare

    status, only_look = 0, options.report
    if options.workers > 1 and not (only_look or options.worker is not None):
        forget_failures(folder / "cells" / options.protocol)
        status, only_look = run_workers(itself(["table", *arguments]), options.workers), True
    if status in (0, SOME_FAILED):
        how = (preset, options, folder, change, typed("table", arguments))
        try:
            with advising(_experts(config, changed, usual)):
                page = compare(*how, worker=options.worker, only_look=only_look)
        except Incomplete as error:
            if options.worker is None:  # a worker has said so already
                tell(f"table: {error}")
            return SOME_FAILED
        if options.worker is None:
            print(f"page: {page}")
    return status


def _experts(config, settings, usual):
    """The command that trains the experts of all rows."""
    groups = ("data", "network", "experts")
    options = [o for g in groups for o in changes(g, getattr(settings, g), getattr(usual, g))]
    return typed("train_experts", ["--config", config, *options])
