"""``mttjax table``: every method at every size under one evaluator."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_folder
from mttjax.config.methods import METHODS
from mttjax.config.presets import Preset, load_preset
from mttjax.config.settings import Settings
from mttjax.core.networks import NetworkSpec
from mttjax.paper.table import Plan, compare
from mttjax.paper.table.full_data import FullData
from mttjax.system.fields import Checked

__all__ = ["TableOptions", "main"]


@dataclasses.dataclass(frozen=True)
class TableOptions(Checked):
    """Makes a set by every method at every size, and evaluates all in one way.

    Cells are kept: the same command goes on where it was stopped, and others add to it.
    """

    config: str
    """A preset's name, or the path of one."""
    ipc: tuple[int, ...] = ()
    """Images per class. None: the preset's."""
    methods: tuple[str, ...] = METHODS
    """Out of all methods; the default."""
    protocol: Literal["paper", "short"] = "paper"
    """How networks are trained on the sets: `paper`, 1001 epochs; `short`, 300."""
    networks: int = 5
    """Networks per set."""
    seeds: int = 1
    """Runs of every method that learns, each with a seed of its own."""
    draws: int = 3
    """Sets of random images."""
    kind: Literal["last", "best"] = "last"
    """Which set of a run: the last, or the best on validation."""
    full: bool = True
    """Train networks on all real images too."""
    full_data: FullData = dataclasses.field(default_factory=FullData)
    """How."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-table."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    network: NetworkSpec | None = None
    """Another network than the preset's."""
    data: RealData = dataclasses.field(default_factory=RealData)

    def plan(self, preset: Preset) -> Plan:
        """What the table holds."""
        return Plan(
            ipcs=self.ipc or preset.ipcs,
            methods=self.methods,
            protocol=self.protocol,
            networks=self.networks,
            seeds=self.seeds,
            draws=self.draws,
            kind=self.kind,
            full=self.full_data if self.full else None,
        )

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
    folder = options.folder or Path("runs") / f"{preset.settings().name}-table"
    command = shlex.join(["mttjax", "table", *arguments])
    print(f"page: {compare(preset, options.plan(preset), folder, options.change, command)}")
    return 0
