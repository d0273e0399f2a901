"""``mttjax figure``: a dataclass of options per figure, and what each draws."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mttjax.cli.advice import advising, changes, typed
from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_folder
from mttjax.config.presets import load_preset
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore
from mttjax.paper.figures import Sweep, Walks, draw_cost, draw_distance, draw_grid, draw_range
from mttjax.paper.figures.held_out import require_held_out, used_experts
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError
from mttjax.system.fields import Checked

__all__ = ["main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RangeOptions(Sweep):
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

    def draw(self, command: str) -> list[Path]:
        require_folder("--folder", self.folder)
        preset = load_preset(self.config).settings(self.ipc, "mtt")
        settings = dataclasses.replace(
            preset,
            data=self.data.over(preset.data),
            experts=_changed(preset.experts, folder=self.experts, count=self.count),
            distill=_changed(preset.distill, steps=self.steps, max_start=self.max_start),
        )
        folder = self.folder or Path("runs") / f"{settings.run_name}-ipc{settings.ipc}-range"
        with advising(self._experts(settings, preset)):
            return draw_range(settings, self, folder, command=command)

    def _experts(self, settings, preset):
        """The command that trains as many experts to as many epochs as the sweep reads."""
        longest = _changed(settings.distill, expert_epochs=max(self.expert_epochs))
        wanted = dataclasses.replace(settings, distill=longest)
        groups = ("data", "experts", "distill")
        options = [o for g in groups for o in changes(g, getattr(wanted, g), getattr(preset, g))]
        if (wanted.experts.epochs or longest.epochs_needed) < longest.epochs_needed:
            options += ["--experts.epochs", longest.epochs_needed]
        known = ["--config", self.config, "--ipc", settings.ipc]
        return typed("train_experts", [*known, *options])


def _changed(settings, **changes):
    """``settings`` with those of the changes that were asked for."""
    given = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(settings, **given)


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

    def draw(self, command: str) -> list[Path]:
        require_folder("--to", self.to)
        run, distilled = self._run_and_set()
        last = self.as_distilled(distilled).target(max(self.starts))
        store = ExpertStore(self.experts)
        used = set() if self.allow_used else used_experts(distilled, store, run.metrics())
        require_held_out(self.held_out, last, store, used)
        dataset = self.data.of([distilled])
        return draw_distance(distilled, store, dataset, self, self.to or run.path / "distance")

    def _run_and_set(self):
        if (self.set is None) == (self.run is None):
            raise InputError("give either --set FILE.npz or --run FOLDER")
        if self.run is not None:
            return RunFolder(self.run), RunFolder(self.run).load(self.kind)
        return RunFolder(self.set.parent), load_distilled(self.set)


@dataclasses.dataclass(frozen=True)
class GridOptions(Checked):
    """One distilled image of every class, with the classes' names; the first where there are more.

    Writes the picture, and the indices of its images as JSON.
    """

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The PNG to write."""

    def draw(self, command: str) -> list[Path]:
        return draw_grid(load_distilled(self.set), self.to)


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

    def draw(self, command: str) -> list[Path]:
        require_folder("--to", self.to)
        return draw_cost(self.runs, self.to, experts=self.with_experts)


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
    print(*options.draw(typed("figure", arguments)), sep="\n")
    return 0
