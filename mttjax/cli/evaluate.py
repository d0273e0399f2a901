"""``mttjax evaluate``: how good sets are, in four uses."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from mttjax.cli.advice import typed
from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_folder
from mttjax.config.protocol import Protocol
from mttjax.datasets import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.architectures import report_across
from mttjax.evaluation.robustness import report_robustness
from mttjax.evaluation.sets import evaluate_sets, load_sets
from mttjax.reporting import print_table
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import results_table, save_results
from mttjax.system.errors import InputError
from mttjax.system.fields import SEED, SHARE, Checked

__all__ = ["EvaluateFiles", "EvaluateNetworks", "EvaluateRobustness", "EvaluateRun", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Checked):
    """What all uses share: rate, augmentation, preprocessing and network are the set's own."""

    seed: Annotated[int, SEED] = 0
    """Decides the networks and the random images."""
    data: RealData = dataclasses.field(default_factory=RealData)
    protocol: Protocol = dataclasses.field(default_factory=Protocol)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithRandom(EvaluateOptions):
    """The uses that evaluate random real images too."""

    random: bool = True
    """Evaluate as many random real images too."""

    def results(self, sets: Mapping[str, DistilledSet]) -> dict[str, Any]:
        """Evaluates the sets and prints a table; JSON values."""
        dataset = self.data.of(sets.values())
        results = evaluate_sets(
            sets, dataset, self.protocol, seed=self.seed, with_random=self.random
        ).record()
        print_table(f"{dataset.name}, test accuracy", *results_table(results))
        return results


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateRun(WithRandom):
    """All sets of a run, tested by fresh networks; writes its results.json and its page."""

    folder: tyro.conf.Positional[Path]
    """The run's folder."""

    def run(self, command: str) -> None:
        run = RunFolder(self.folder)
        results = self.results(run.sets())
        run.save_commands({"evaluate": command})
        print(f"page: {save_results(self.folder, results)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateFiles(WithRandom):
    """Sets of one dataset, wherever they are, tested by fresh networks."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Distilled sets, .npz files."""

    def run(self, command: str) -> None:
        self.results(load_sets(_some(self.files)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithFiles(EvaluateOptions):
    """The uses that write files beside the sets."""

    sets: tyro.conf.Positional[tuple[Path, ...]]
    """Distilled sets of one dataset, .npz files; or the folder of a run."""
    to: Path | None = None
    """Where the files go. None: the run's folder, or that of the first set."""

    def sets_and_place(self) -> tuple[dict[str, DistilledSet], Dataset, Path]:
        """The sets, their real images, and where to write."""
        require_folder("--to", self.to)
        first = _some(self.sets)[0]
        if len(self.sets) == 1 and first.is_dir():
            sets, folder = RunFolder(first).sets(), first
        else:
            sets, folder = load_sets(self.sets), first.parent
        return sets, self.data.of(sets.values()), self.to or folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateNetworks(WithFiles, WithRandom):
    """Sets tested by other networks than their own; writes architectures.json and .md."""

    networks: tuple[str, ...]
    """Which networks, out of convnet, alexnet, vgg11, resnet18, resnet18_ap; with changes
    (convnet-w64, convnet-d2-batch); or a pool of them: architectures, width, depth, activation,
    pooling, norm."""

    def run(self, command: str) -> None:
        sets, dataset, folder = self.sets_and_place()
        report = partial(report_across, seed=self.seed, folder=folder, with_random=self.random)
        print(f"table: {report(sets, dataset, self.networks, self.protocol)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateRobustness(WithFiles):
    """How much is owed to labels and augmentation, DD-Ranking's scores; writes robustness.json."""

    full_accuracy: Annotated[float, SHARE]
    """The test accuracy of the network trained on all real images, in [0, 1]."""

    def run(self, command: str) -> None:
        sets, dataset, folder = self.sets_and_place()
        report = partial(report_robustness, seed=self.seed, folder=folder)
        path = report(sets, dataset, self.protocol, full_accuracy=self.full_accuracy)
        print(f"robustness: {path}")


def _some(paths):
    if not paths:
        raise InputError("give at least one distilled set, an .npz")
    return paths


USES = (
    Annotated[EvaluateRun, tyro.conf.subcommand("run")]
    | Annotated[EvaluateFiles, tyro.conf.subcommand("set")]
    | Annotated[EvaluateNetworks, tyro.conf.subcommand("networks")]
    | Annotated[EvaluateRobustness, tyro.conf.subcommand("robustness")]
)


@messages
def main(arguments: Sequence[str]) -> int:
    """Trains fresh networks on distilled sets and tests them on the real test set."""
    use = tyro.cli(USES, args=arguments, prog="mttjax evaluate", description=main.__doc__)
    use.run(typed("evaluate", arguments))
    return 0
