"""``mttjax evaluate``: how good sets are, in four uses."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from mttjax.cli.advice import typed
from mttjax.cli.messages import messages
from mttjax.cli.options import RealData
from mttjax.config.protocol import Protocol
from mttjax.system.fields import SEED, SHARE, Checked

__all__ = [
    "EvaluateFiles",
    "EvaluateNetworks",
    "EvaluateRobustness",
    "EvaluateRun",
    "WithFiles",
    "WithRandom",
    "main",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateOptions(Checked):
    """What all uses share: rate, augmentation, preprocessing and network are the set's own."""

    seed: Annotated[int, SEED] = 0
    """Decides the networks and the random images."""
    network: str | None = None
    """`FILE.py:FUNCTION`: a network of your own in the place of the sets' own, or where that was
    moved to; it is run."""
    data: RealData = dataclasses.field(default_factory=RealData)
    protocol: Protocol = dataclasses.field(default_factory=Protocol)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithRandom(EvaluateOptions):
    """The uses that evaluate random real images too."""

    random: bool = True
    """Evaluate as many random real images too."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateRun(WithRandom):
    """All sets of a run, tested by fresh networks; writes its results.json and its page."""

    folder: tyro.conf.Positional[Path]
    """The run's folder."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateFiles(WithRandom):
    """Sets of one dataset, wherever they are, tested by fresh networks."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Distilled sets, .npz files."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithFiles(EvaluateOptions):
    """The uses that write files beside the sets."""

    sets: tyro.conf.Positional[tuple[Path, ...]]
    """Distilled sets of one dataset, .npz files; or the folder of a run."""
    to: Path | None = None
    """Where the files go. None: the run's folder, or that of the first set."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateNetworks(WithFiles, WithRandom):
    """Sets tested by other networks than their own; writes architectures.json and .md."""

    networks: tuple[str, ...]
    """Which networks, out of convnet, alexnet, vgg11, resnet18, resnet18_ap; with changes
    (convnet-w64, convnet-d2-batch); or a pool of them: architectures, width, depth, activation,
    pooling, norm."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateRobustness(WithFiles):
    """How much is owed to labels and augmentation, DD-Ranking's scores; writes robustness.json."""

    full_accuracy: Annotated[float, SHARE]
    """The test accuracy of the network trained on all real images, in [0, 1]."""


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
    from mttjax.cli.evaluating import evaluate

    evaluate(use, typed("evaluate", arguments))
    return 0
