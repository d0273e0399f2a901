"""The commands that compare: the table of all methods, the paper's figures."""

import dataclasses
import shlex
from pathlib import Path
from typing import Literal

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.config.checks import check_options
from mttjax.config.methods import METHODS
from mttjax.config.presets import load_preset
from mttjax.config.settings import RealData
from mttjax.core.networks import NetworkSpec
from mttjax.paper.table.full_data import FullData

__all__ = ["main"]


@dataclasses.dataclass(frozen=True)
class TableOptions:
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


@messages
def main(arguments):
    """bin/table: the paper's comparison."""
    options = tyro.cli(TableOptions, args=arguments, prog="table")
    check_options(options)
    require_folder("--folder", options.folder)
    require_folder("--experts", options.experts)
    from mttjax.paper.table import Plan, compare

    preset = load_preset(options.config)
    plan = Plan(
        ipcs=options.ipc or preset.IPCS,
        methods=options.methods,
        protocol=options.protocol,
        networks=options.networks,
        seeds=options.seeds,
        draws=options.draws,
        kind=options.kind,
        full=options.full_data if options.full else None,
    )

    def change(settings):
        data = options.data.over(settings.data)
        experts = options.experts or settings.experts.folder
        experts = dataclasses.replace(settings.experts, folder=experts)
        network = options.network or settings.network
        return dataclasses.replace(settings, data=data, experts=experts, network=network)

    folder = options.folder or Path("runs") / f"{preset.get_config(plan.ipcs[0]).name}-table"
    command = shlex.join(["bin/table", *arguments])
    print(f"page: {compare(preset, plan, folder, change, command)}")
    return 0
