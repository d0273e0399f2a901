"""The settings of a run as frozen dataclasses."""

import dataclasses
from pathlib import Path
from typing import Generic, Literal, TypeVar

from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.config.recipe import Recipe
from mttjax.core.networks import BEFORE, NetworkSpec
from mttjax.system.errors import InputError

__all__ = ["Data", "Experts", "RealData", "Run", "Settings"]

D = TypeVar("D")
"""The settings of a method."""

DSA_OPS = ("color", "crop", "cutout", "flip", "scale", "rotate")


@dataclasses.dataclass(frozen=True)
class Data:
    """Which real images, and where they come from."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, cifar100, svhn_cropped, tiny_imagenet,
    image_folder (a sub-folder per class) or arrays (an .npz)."""
    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""
    resolution: int | None = None
    """Side in pixels that the images of a folder are brought to."""
    classes: tuple[int, ...] | None = None
    """Keep these classes only, by index, renumbered in this order."""
    statistics: str | None = None
    """Standardise by the published mean and deviation of this data set, such as `imagenet`.
    None: those of the data set itself, published or measured."""
    validation: float = 0.1
    """The fraction of the training set that selection is done on; never the test set."""
    seed: int | None = None
    """Decides which images those are. None: the run's seed."""


@dataclasses.dataclass(frozen=True)
class Experts:
    """The experts: E networks trained on the real images, a snapshot per epoch."""

    count: int = 100
    """E."""
    epochs: int | None = None
    """T. None: as many as are read, max_start - 1 + expert_epochs."""
    lr: float = 0.01
    batch: int = 256
    parallel: int | None = None
    """Trained at once. None: one per core on CPU, 10 on an accelerator."""
    folder: str | None = None
    """The store. None: experts/DATASET/RECIPE."""
    seed: int | None = None
    """Decides their initialisations, orders and augmentations. None: the run's seed."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Where a run goes."""

    folder: str | None = None
    """None: runs/PRESET-ipcN, or runs/PRESET-METHOD-ipcN for another method than MTT."""


@dataclasses.dataclass(frozen=True)
class Settings(Generic[D]):
    """Everything that a preset sets and a command can change."""

    name: str = "custom"
    """Names the run."""
    method: str = "mtt"
    """How the set is made; it decides which settings `distill` has."""
    ipc: int = 1
    """Images per class."""
    seed: int = 0
    """Decides everything drawn."""
    preprocessing: Literal["standardize", "zca"] = "standardize"
    ops: tuple[str, ...] = DSA_OPS
    """The operations of DSA, for experts, students and evaluation alike."""
    data: Data = dataclasses.field(default_factory=Data)
    network: NetworkSpec = dataclasses.field(default_factory=NetworkSpec)
    experts: Experts = dataclasses.field(default_factory=Experts)
    distill: D = dataclasses.field(default_factory=Distill)
    evaluate: Protocol = dataclasses.field(default_factory=Protocol)
    """The final evaluation."""
    run: Run = dataclasses.field(default_factory=Run)

    def with_seed(self, seed):
        """These settings with another seed, on the same experts and the same split of the data."""
        experts = dataclasses.replace(self.experts, seed=self.recipe().seed)
        data = dataclasses.replace(self.data, seed=self.split_seed)
        return dataclasses.replace(self, seed=seed, experts=experts, data=data)

    @property
    def split_seed(self):
        """What decides the validation split."""
        return self.seed if self.data.seed is None else self.data.seed

    @property
    def expert_epochs(self):
        """T: what was asked for, or what MTT reads; no other method says how many it needs."""
        epochs = self.experts.epochs or getattr(self.distill, "epochs_needed", None)
        if epochs is None:
            raise InputError(f"--experts.epochs: give it, as --method {self.method} reads any")
        return epochs

    def recipe(self):
        """How the experts are trained."""
        return Recipe(
            network=self.network,
            preprocessing=self.preprocessing,
            ops=self.ops,
            lr=self.experts.lr,
            batch=self.experts.batch,
            seed=self.seed if self.experts.seed is None else self.experts.seed,
            statistics=self.data.statistics,
        )

    @property
    def expert_folder(self):
        if self.experts.folder:
            return Path(self.experts.folder)
        net = self.network
        unusual = "".join(
            f"-{getattr(net, name)}"
            for name, usual in BEFORE.items()
            if getattr(net, name) != usual
        )
        recipe = f"{net.name}-d{net.depth}-w{net.width}{unusual}-{self.preprocessing}"
        return Path("experts") / self.data.dataset / recipe

    @property
    def run_folder(self):
        method = "" if self.method == "mtt" else f"-{self.method}"
        return Path(self.run.folder or f"runs/{self.name}{method}-ipc{self.ipc}")

    def record(self):
        """The settings that decide a run, ready for JSON: no folders, nothing of the machine."""
        record = dataclasses.asdict(self)
        del record["run"]
        for group, name in (
            ("data", "dir"),
            ("data", "download"),
            ("experts", "folder"),
            ("experts", "parallel"),
        ):
            del record[group][name]
        return record


@dataclasses.dataclass(frozen=True)
class RealData:
    """Where the real images are, if not in the package or prepared by TFDS."""

    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""

    def over(self, data):
        """A preset's ``Data`` with what is given here in its place."""
        download = self.download or data.download
        return dataclasses.replace(data, dir=self.dir or data.dir, download=download)
