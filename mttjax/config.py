"""The settings of a run as frozen dataclasses."""

import dataclasses
from pathlib import Path
from typing import Generic, Literal, TypeVar

from mttjax.errors import InputError
from mttjax.evaluating import Protocol
from mttjax.experts import Recipe
from mttjax.methods.condensing import Condensing
from mttjax.methods.dd import Meta
from mttjax.methods.ld import Labels
from mttjax.methods.mtt import Matching
from mttjax.networks import BEFORE, NetworkSpec

__all__ = [
    "KINDS",
    "Condense",
    "Data",
    "Distill",
    "Experts",
    "LearnLabels",
    "LearnThrough",
    "Loop",
    "Run",
    "Select",
    "Settings",
    "part_of",
]

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
class Loop:
    """The outer loop, whatever the method."""

    steps: int = 5000
    """Outer steps."""
    chunk: int | None = None
    """Images computed at once, a divisor of the student's minibatch; the gradient is the same,
    the memory smaller. None: what fits a CPU's caches, all on an accelerator."""
    initial: Literal["real", "noise"] = "real"
    """What the images are before the first step."""
    evaluate_every: int = 500
    """Outer steps between evaluations on validation; 0: only before and after."""
    save_every: int = 50
    """Outer steps between saved states."""
    fallbacks: int = 0
    """How often a run that diverges goes back to its last good state and on at a tenth of its
    rates. 0: it stops there and says what to change."""
    validation: Protocol = dataclasses.field(
        default_factory=lambda: Protocol(networks=2, epochs=300)
    )
    """The evaluations during the run: shorter than the final one, on validation; with no
    networks, none."""
    track_test: bool = False
    """Score on test too and keep the best on test: the paper's protocol, which selects on
    the test set."""


@dataclasses.dataclass(frozen=True)
class Distill(Loop, Matching):
    """The distillation by MTT."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the student's network; parameters and their updates are float32 either way."""

    @property
    def epochs_needed(self):
        """The last epoch of an expert that this distillation reads."""
        return self.max_start - 1 + self.expert_epochs

    def matching(self):
        """The part that decides a step."""
        return part_of(self, Matching)


@dataclasses.dataclass(frozen=True)
class Condense(Loop, Condensing):
    """The distillation by DC, DSA, DM or CAFE."""


@dataclasses.dataclass(frozen=True)
class LearnThrough(Loop, Meta):
    """The distillation by DD."""


@dataclasses.dataclass(frozen=True)
class LearnLabels(Loop, Labels):
    """The distillation by LD."""


@dataclasses.dataclass(frozen=True)
class Select:
    """The selection of real images: random, herding, k_center or forgetting."""

    expert: int = 0
    """Whose features (herding, k_center) or training (forgetting) the selection looks at, to
    the last epoch it has."""
    lr: float = 0.01
    """α, which the set is evaluated at."""


KINDS = {
    **dict.fromkeys(("random", "herding", "k_center", "forgetting"), Select),
    "dd": LearnThrough,
    "ld": LearnLabels,
    **dict.fromkeys(("dc", "dsa", "dm", "cafe", "cafe_dsa"), Condense),
    "mtt": Distill,
}
"""The kind of settings that each method has."""


def part_of(settings, kind):
    """The fields of ``settings`` that the dataclass ``kind`` has, as one of that kind."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: getattr(settings, name) for name in names})


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
        for group, name in (("data", "dir"), ("data", "download"),
                            ("experts", "folder"), ("experts", "parallel")):  # fmt: skip
            del record[group][name]
        return record
