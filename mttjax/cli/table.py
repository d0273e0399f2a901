"""``mttjax table``: every method at every size under one evaluator."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_folder
from mttjax.config.presets import load_preset
from mttjax.config.settings import Settings
from mttjax.core.networks import NetworkSpec
from mttjax.paper.table import Plan, compare

__all__ = ["TableOptions", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TableOptions(Plan):
    """Makes a set by every method at every size, and evaluates all in one way.

    Cells are kept: the same command goes on where it was stopped, and others add to it.
    """

    config: str
    """A preset's name, or the path of one."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-table, of own data runs/PRESET-DATA-table."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    network: NetworkSpec | None = None
    """Another network than the preset's."""
    data: RealData = dataclasses.field(default_factory=RealData)

    def change(self, settings: Settings) -> Settings:
        """The preset's settings with what was given here."""
        experts = self.experts or settings.experts.folder
        return dataclasses.replace(
            settings,
            data=self.data.over(settings.data),
            experts=dataclasses.replace(settings.experts, folder=experts),
            network=self.network or settings.network,
        )


@messages
def main(arguments: Sequence[str]) -> int:
    """The paper's comparison."""
    options = tyro.cli(TableOptions, args=arguments, prog="mttjax table")
    require_folder("--folder", options.folder)
    require_folder("--experts", options.experts)
    preset = load_preset(options.config)
    folder = options.folder or Path("runs") / f"{options.change(preset.settings()).run_name}-table"
    command = shlex.join(["mttjax", "table", *arguments])
    print(f"page: {compare(preset, options, folder, options.change, command)}")
    return 0
