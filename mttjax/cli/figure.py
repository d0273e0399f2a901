"""``mttjax figure``: a dataclass of options per figure."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import RealData
from mttjax.cli.sharing import Sharing
from mttjax.paper.figures.plans import Sweep, Walks
from mttjax.system.fields import Checked

__all__ = ["CostOptions", "DistanceOptions", "GridOptions", "RangeOptions", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RangeOptions(Sharing, Sweep):
    """Accuracy against the range matched: an MTT distillation for every S and M, evaluated.

    The same command goes on where it was stopped. Writes range.csv, range.json and range.png.
    """

    config: str
    """A preset's name, or the path of one."""
    ipc: int | None = None
    """Images per class. None: the preset's first."""
    steps: int | None = None
    """Outer steps of every distillation. None: the preset's."""
    max_start: int | None = None
    """The start epoch is drawn from 0 to this less 1 (T⁺). None: the preset's."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    count: int | None = None
    """How many experts are matched (E). None: the preset's."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-ipcN-range."""
    data: RealData = dataclasses.field(default_factory=RealData)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistanceOptions(Walks):
    """Distance to held-out experts along training on the distilled set and on real images.

    It is ‖θ - θ*‖² / ‖θ₀ - θ*‖², squared as in the loss. Writes distance.csv and distance.png.
    """

    experts: Path
    """The folder of the experts."""
    run: Path | None = None
    """A run's folder. Give this or --set."""
    set: Path | None = None
    """A distilled set, an .npz."""
    kind: Literal["last", "best"] = "last"
    """Which set of the run: the last, or the best on validation."""
    allow_used: bool = False
    """Take experts too that the set was distilled with."""
    to: Path | None = None
    """The folder to write to. None: distance/ beside the set."""
    data: RealData = dataclasses.field(default_factory=RealData)


@dataclasses.dataclass(frozen=True)
class GridOptions(Checked):
    """One distilled image of every class, with the classes' names; the first where there are more.

    Writes the picture, and the indices of its images as JSON.
    """

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The PNG to write."""


@dataclasses.dataclass(frozen=True)
class CostOptions(Checked):
    """Accuracy on validation against the seconds of the steps, a line per run.

    Evaluations and compiling are not counted in. Writes cost.csv and cost.png.
    """

    runs: tuple[Path, ...]
    """Folders of runs that were evaluated on the way."""
    to: Path
    """The folder to write to."""
    with_experts: Path | None = None
    """The folder of the experts: MTT runs begin with the seconds that it took to train them."""


FIGURES = (
    Annotated[RangeOptions, tyro.conf.subcommand("range")]
    | Annotated[DistanceOptions, tyro.conf.subcommand("distance")]
    | Annotated[GridOptions, tyro.conf.subcommand("grid")]
    | Annotated[CostOptions, tyro.conf.subcommand("cost")]
)


@messages
def main(arguments: Sequence[str]) -> int:
    """The paper's figures, each as data and a picture."""
    options = tyro.cli(FIGURES, args=arguments, prog="mttjax figure", description=main.__doc__)
    from mttjax.cli.drawing import draw

    print(*draw(options, arguments), sep="\n")
    return 0
