"""The options of ``bin/figure``: a dataclass per figure, and what each does."""

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mttjax.cli.messages import messages
from mttjax.config.checks import COUNT, check_options, check_settings
from mttjax.config.presets import load_preset, settings_of
from mttjax.config.protocol import Protocol
from mttjax.config.settings import RealData
from mttjax.distilled import load_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.experts.recipe import recipe_of
from mttjax.experts.store import ExpertStore
from mttjax.paper.figures.cost import draw_cost
from mttjax.paper.figures.data import require_at_least
from mttjax.paper.figures.distance import Walks, draw_distance
from mttjax.paper.figures.grid import draw_grid
from mttjax.paper.figures.held_out import require_held_out, used_experts
from mttjax.paper.figures.range import Sweep, draw_range
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole

__all__ = ["FIGURES", "CostOptions", "DistanceOptions", "GridOptions", "RangeOptions", "main"]


@dataclasses.dataclass(frozen=True)
class RangeOptions:
    """Accuracy against the range matched: an MTT distillation for every S and M, evaluated.

    The same command goes on where it was stopped. Writes range.csv, range.json and range.png.
    """

    config: str
    """A preset's name, or the path of one."""
    ipc: int | None = None
    """Images per class. None: the preset's first."""
    student_steps: tuple[int, ...] = (5, 10, 20, 30)
    """S, gradient steps of the student: a line each."""
    expert_epochs: tuple[int, ...] = (1, 2, 3)
    """M, epochs of the expert from start to target: a point of every line each."""
    steps: int | None = None
    """Outer steps of every distillation. None: the preset's."""
    max_start: int | None = None
    """T⁺, the start epoch is drawn from 0 to T⁺ - 1. None: the preset's."""
    protocol: Protocol = dataclasses.field(default_factory=Protocol)
    """How networks are trained on the sets."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    count: int | None = None
    """E, how many experts are matched. None: the preset's."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-ipcN-range."""
    data: RealData = dataclasses.field(default_factory=RealData)

    def draw(self, command):
        """The paths of what was written."""
        require_at_least(1, student_steps=self.student_steps, expert_epochs=self.expert_epochs)
        check_options(self)
        preset = load_preset(self.config)
        ipc = preset.IPCS[0] if self.ipc is None else self.ipc
        asked = {"steps": self.steps, "max_start": self.max_start, "count": self.count}
        asked = {name: value for name, value in asked.items() if value is not None}
        require_at_least(1, ipc=ipc, **asked)
        count = {"count": asked.pop("count")} if "count" in asked else {}
        settings = settings_of(preset, ipc)
        settings = dataclasses.replace(
            settings,
            data=self.data.over(settings.data),
            experts=dataclasses.replace(
                settings.experts, folder=self.experts or settings.experts.folder, **count
            ),
            distill=dataclasses.replace(settings.distill, **asked),
        )
        check_settings(settings)
        folder = self.folder or Path("runs") / f"{settings.name}-ipc{ipc}-range"
        sweep = Sweep(self.student_steps, self.expert_epochs, self.protocol)
        return draw_range(settings, sweep, folder, command=command)


@dataclasses.dataclass(frozen=True)
class DistanceOptions:
    """Distance to held-out experts along training on the distilled set and on real images.

    It is ‖θ - θ*‖² / ‖θ₀ - θ*‖², squared as in the loss. Writes distance.csv and distance.png.
    """

    experts: Path
    """The folder of the experts."""
    held_out: tuple[int, ...]
    """Numbers of experts in it that the set was not distilled with."""
    run: Path | None = None
    """A run's folder. Give this or --set."""
    set: Path | None = None
    """A distilled set, an .npz."""
    kind: Literal["last", "best"] = "last"
    """Which set of the run: the last, or the best on validation."""
    starts: tuple[int, ...] = (0,)
    """Epochs of the expert to begin at."""
    expert_epochs: int | None = None
    """M, epochs from start to target. None: as the set was distilled."""
    steps: int = 100
    """Gradient steps on either data."""
    every: int = 2
    """Steps between two distances, a divisor of --steps."""
    batch: int | None = None
    """Distilled images per step. None: as the set was distilled."""
    allow_used: bool = False
    """Take experts too that the set was distilled with."""
    seed: int = 0
    """Decides the orders and augmentations."""
    to: Path | None = None
    """The folder to write to. None: distance/ beside the set."""
    data: RealData = dataclasses.field(default_factory=RealData)

    def draw(self, command):
        """The paths of what was written."""
        if (self.set is None) == (self.run is None):
            raise InputError("give either --set FILE.npz or --run FOLDER")
        require_at_least(0, starts=self.starts, held_out=self.held_out)
        check_options(self)
        path = self.set or self.run / f"{self.kind}.npz"
        distilled, store = load_distilled(path), ExpertStore(self.experts)
        recipe_of(store)
        epochs = self.expert_epochs or _epochs_of(distilled)
        if epochs is None:
            raise InputError(f"{path}: not distilled by MTT; give M by --expert-epochs")
        metrics = path.parent / "metrics.jsonl"
        used = set() if self.allow_used else used_experts(distilled, store, metrics)
        require_held_out(self.held_out, max(self.starts) + epochs, store, used)
        walks = Walks(self.held_out, self.starts, epochs, self.steps, self.every, self.seed)
        folder = self.to or path.parent / "distance"
        data = real_data_of(distilled, folder=self.data.dir, download=self.data.download)
        return draw_distance(distilled, store, data, walks, folder, batch=self.batch)


def _epochs_of(distilled):
    """M, as the set says that it was distilled; None where it does not."""
    distill = distilled.settings.get("distill")
    epochs = distill.get("expert_epochs") if isinstance(distill, dict) else None
    return epochs if is_whole(epochs) and COUNT.holds(epochs) else None


@dataclasses.dataclass(frozen=True)
class GridOptions:
    """One distilled image of every class, with the classes' names; the first where there are more.

    Writes the picture, and the indices of its images as JSON.
    """

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The PNG to write."""

    def draw(self, command):
        """The paths of what was written."""
        if self.to.is_dir():
            raise InputError(f"--to {self.to}: is a folder; give the name of a PNG")
        return draw_grid(load_distilled(self.set), self.to)


@dataclasses.dataclass(frozen=True)
class CostOptions:
    """Accuracy on validation against the seconds of the steps, a line per run.

    Evaluations and compiling are not counted in. Writes cost.csv and cost.png.
    """

    runs: tuple[Path, ...]
    """Folders of runs that were evaluated on the way."""
    to: Path
    """The folder to write to."""
    with_experts: Path | None = None
    """The folder of the experts: MTT runs begin with the seconds that it took to train them."""

    def draw(self, command):
        """The paths of what was written."""
        return draw_cost(self.runs, self.to, experts=self.with_experts)


FIGURES = (
    Annotated[RangeOptions, tyro.conf.subcommand("range")]
    | Annotated[DistanceOptions, tyro.conf.subcommand("distance")]
    | Annotated[GridOptions, tyro.conf.subcommand("grid")]
    | Annotated[CostOptions, tyro.conf.subcommand("cost")]
)


@messages
def main(arguments):
    """bin/figure: the paper's figures, each as data and a picture."""

    options = tyro.cli(FIGURES, args=arguments, prog="figure")
    check_options(options)
    print(*options.draw(shlex.join(["bin/figure", *arguments])), sep="\n")
    return 0
