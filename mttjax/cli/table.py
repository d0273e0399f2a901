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
from mttjax.cli.sharing import Sharing, shared
from mttjax.config.presets import load_preset
from mttjax.config.settings import Data, Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.paper.table.plan import Plan
from mttjax.system.fields import Range

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
class TableOptions(Sharing, Plan):
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
    change = lambda row: preset.fitted(options.change(row, usual.network), arguments)
    changed = change(usual)
    folder = options.folder or Path("runs") / f"{changed.run_name}-table"
    from mttjax.paper.table.table import compare

    make = partial(compare, preset, options, folder, change, typed("table", arguments))
    with advising(_experts(config, changed, usual)):
        marks = folder / "cells" / options.protocol
        page = shared(options, ["table", *arguments], marks, make)
    if options.worker is None:
        print(f"page: {page}")
    return 0


def _experts(config, settings, usual):
    """The command that trains the experts of all rows."""
    groups = ("data", "network", "experts")
    options = [o for g in groups for o in changes(g, getattr(settings, g), getattr(usual, g))]
    return typed("train_experts", ["--config", config, *options])
