"""The settings of a run as frozen dataclasses: what exists is valid."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from mttjax.config.methods import KINDS, MATCHING, MTT, require_method
from mttjax.config.protocol import Protocol
from mttjax.config.recipe import DSA_OPS, Operation, Recipe, check_ops, check_statistics
from mttjax.core.network_spec import NetworkSpec
from mttjax.datasets.names import Fit, dataset_name
from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, COUNT_OR_ZERO, NOT_NEGATIVE, POSITIVE, SEED, Checked, Range
from mttjax.system.text import did_you_mean

__all__ = ["Data", "Experts", "Run", "Settings", "settings_from"]

D = TypeVar("D")
"""The settings of a method."""


@dataclasses.dataclass(frozen=True)
class Data(Checked):
    """Which real images, and where they come from."""

    dataset: str = "digits"
    """Which data set: digits, mnist, fashion_mnist, cifar10, cifar100, svhn_cropped, tiny_imagenet,
    image_folder (a sub-folder per class) or arrays (an .npz)."""
    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""
    resolution: Annotated[int | None, Range(4, 1024)] = None
    """Side in pixels that the images of a folder are brought to. None: their own size, which all
    must have."""
    classes: Annotated[tuple[str | int, ...] | None, COUNT_OR_ZERO] = None
    """Keep these classes only, renumbered in this order: names, such as `cat dog`; or indices,
    where no class is called so."""
    fit: Fit = "crop"
    """How the images of a folder are brought to the resolution. crop: the central square,
    antialiased. squash: the whole image, its sides scaled each by themselves, not antialiased, as
    the published code of MTT reads ImageNet."""
    statistics: str | None = None
    """Standardise by the published mean and deviation of this data set, such as `imagenet`.
    None: those of the data set itself, published or measured."""
    validation: Annotated[float, Range(0, 0.5)] = 0.1
    """The fraction of the training set that selection is done on; never the test set. Data with
    a validation split of their own (`val/`, `x_val`) are selected on that, and all of the training
    set is trained on."""
    seed: Annotated[int, SEED] = 0
    """Decides which images those are, whatever the run's seed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_statistics(self.statistics)

    @property
    def source(self) -> dict[str, Any]:
        """The arguments of ``load_dataset`` beside the name."""
        names = ("download", "resolution", "classes", "fit", "validation", "seed")
        return {"folder": self.dir} | {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Experts(Checked):
    """The experts: E networks trained on the real images, a snapshot per epoch."""

    count: Annotated[int, Range(1, 10**6)] = 100
    """Number of experts (E)."""
    epochs: Annotated[int | None, COUNT] = None
    """Epochs that each is trained (T). None: as many as are read, max_start - 1 + expert_epochs."""
    lr: Annotated[float, POSITIVE] = 0.01
    """Their learning rate, of plain SGD."""
    batch: Annotated[int, COUNT] = 256
    """Real images per gradient step."""
    flat: Literal["no", "gsam"] = "no"
    """`gsam`: every step looks for flat minima, at twice the price (FTD, CVPR 2023)."""
    rho: Annotated[float, NOT_NEGATIVE] = 0.01
    """How far such a step looks, in units of the parameters' own sizes (ρ)."""
    alpha: Annotated[float, NOT_NEGATIVE] = 0.3
    """The weight of the part of the gradient that the one looked at lacks (α)."""
    parallel: Annotated[int | None, COUNT] = None
    """How many are trained at once. None: one per core on a CPU, else one per device."""
    folder: str | None = None
    """The folder that they are kept in. None: experts/DATASET/RECIPE, own data by the name of
    their folder or file."""
    seed: Annotated[int, SEED] = 0
    """Decides their initialisations, orders and augmentations, whatever the run's seed."""
    preprocessing: Literal["standardize", "zca"] | None = None
    """How the images that they are trained on are normalised. None: the run's, as MTT needs."""
    statistics: str | None = None
    """Whose published mean and deviation their images are normalised by; where their preprocessing
    is the run's, the run's are taken."""


@dataclasses.dataclass(frozen=True)
class Run(Checked):
    """Where a run goes."""

    folder: str | None = None
    """The folder of the run. None: runs/PRESET-ipcN, or runs/PRESET-METHOD-ipcN for another
    method than MTT; of own data PRESET-DATA in the place of PRESET."""


@dataclasses.dataclass(frozen=True)
class Settings(Checked, Generic[D]):
    """Everything that a preset sets and a command can change."""

    name: str = "custom"
    """What the run is called: names its folder."""
    method: str = "mtt"
    """How the set is made; it decides which settings `distill` has."""
    ipc: Annotated[int, COUNT] = 1
    """Images per class."""
    seed: Annotated[int, SEED] = 0
    """Decides everything drawn but the experts and the validation split, which have their own
    seeds: runs of several seeds share them."""
    preprocessing: Literal["standardize", "zca"] = "standardize"
    """How images are normalised, for experts, students and evaluation alike."""
    log: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Who is told of the steps of `distill` beside `metrics.jsonl`: `tensorboard`, by files in the
    run's folder, and `wandb` (Weights & Biases), which sends nothing unless WANDB_MODE=online."""
    ops: tuple[Operation | Literal["roll"], ...] = DSA_OPS
    """The augmentations (of DSA), for experts, students and evaluation alike; one is drawn for a
    batch. `roll` is for synthetic images alone, and always: what leaves them on one side comes back
    on the other, so that they become textures, to be laid side by side without a seam."""
    data: Data = dataclasses.field(default_factory=Data)
    network: NetworkSpec = dataclasses.field(default_factory=NetworkSpec)
    experts: Experts = dataclasses.field(default_factory=Experts)
    distill: D = dataclasses.field(default_factory=MTT)  # type: ignore[assignment]
    """How the method makes the set."""
    evaluate: Protocol = dataclasses.field(default_factory=Protocol)
    """The final evaluation."""
    run: Run = dataclasses.field(default_factory=Run)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_method(self.method)
        kind, given = KINDS[self.method], type(self.distill)
        if given is not kind:
            raise InputError(
                f"distill is {given.__name__}: the settings of {self.method} are {kind.__name__}"
            )
        if not self.name.strip(". ") or "/" in self.name:
            raise InputError(f"name is {self.name!r}: a name for the run, without /")
        check_ops(self.ops)
        seen_by_experts = (self.recipe().preprocessing, self.recipe().statistics)
        if self.method in MATCHING and seen_by_experts != (
            self.preprocessing,
            self.data.statistics,
        ):
            raise InputError(
                f"experts.preprocessing is {self.experts.preprocessing!r}: the images of mtt are "
                "preprocessed as those of its experts, so leave it out"
            )

    @property
    def expert_epochs(self) -> int:
        """T: what was asked for, or what MTT reads; no other method says how many it needs."""
        if self.experts.epochs is not None:
            return self.experts.epochs
        if isinstance(self.distill, MTT):
            return self.distill.epochs_needed
        raise InputError(f"experts.epochs is None: give it, as {self.method} reads any")

    @property
    def real_ops(self) -> tuple[Operation, ...]:
        """The augmentations of networks that train on real images."""
        return tuple(op for op in self.ops if op != "roll")

    def recipe(self) -> Recipe:
        """How the experts are trained."""
        own = self.experts.preprocessing
        return Recipe(
            network=self.network,
            preprocessing=own or self.preprocessing,
            ops=self.real_ops,
            lr=self.experts.lr,
            batch=self.experts.batch,
            seed=self.experts.seed,
            flat=self.experts.flat,
            rho=self.experts.rho,
            alpha=self.experts.alpha,
            statistics=self.experts.statistics if own else self.data.statistics,
        )

    @property
    def data_name(self) -> str:
        """What the real images are called: own data by the name of their folder or file."""
        return dataset_name(self.data.dataset, self.data.dir)

    @property
    def expert_folder(self) -> Path:
        """The store of the experts."""
        if self.experts.folder:
            return Path(self.experts.folder)
        net, usual = self.network, NetworkSpec()
        unusual = "".join(
            f"-{getattr(net, name)}"
            for name in ("norm", "activation", "pooling", "precision")
            if getattr(net, name) != getattr(usual, name)
        )
        seen, flat = self.recipe().preprocessing, self.experts.flat
        # Of a network of one's own, its file and function.
        own = Path(net.name).name.partition("@")[0].replace(":", "-") if net.is_own else ""
        recipe = f"{own or f'{net.name}-d{net.depth}-w{net.width}'}{unusual}-{seen}"
        recipe += "" if flat == "no" else f"-{flat}"
        return Path("experts") / self.data_name / recipe

    @property
    def run_name(self) -> str:
        """What folders of runs begin with: two own data sets do not share one."""
        own = self.data_name not in (self.data.dataset, self.name)
        return f"{self.name}-{self.data_name}" if own else self.name

    @property
    def run_folder(self) -> Path:
        """Where the run goes."""
        method = "" if self.method == "mtt" else f"-{self.method}"
        seed = f"-seed{self.seed}" if self.seed else ""
        return Path(self.run.folder or f"runs/{self.run_name}{method}-ipc{self.ipc}{seed}")

    def record(self) -> dict[str, Any]:
        """All settings as JSON values; ``settings_from`` takes them back."""
        return dataclasses.asdict(self)

    def decisive(self) -> dict[str, Any]:
        """Those that decide a run, as JSON values: no folders, nothing of the machine."""
        record = self.record()
        del record["run"], record["log"]
        record["distill"].pop("devices", None)
        for group, names in (("data", ("dir", "download")), ("experts", ("folder", "parallel"))):
            for name in names:
                del record[group][name]
        return record


_BESIDE = ("versions", "real_images")


def settings_from(record: dict[str, Any]) -> Settings:
    """Settings from JSON values; what is not said has its default.

    What a run's ``config.json`` holds beside its settings is passed over.

    Raises:
      InputError: a name that no setting has, or a value out of range.
    """
    method = record.get("method", "mtt")
    require_method(method)
    groups: dict[str, type] = {
        "data": Data,
        "network": NetworkSpec,
        "experts": Experts,
        "distill": KINDS[method],
        "evaluate": Protocol,
        "run": Run,
    }
    return _made(Settings, {k: v for k, v in record.items() if k not in _BESIDE}, groups)


def _made(kind: type, record: dict[str, Any], groups: dict[str, type], within: str = "") -> Any:
    """A dataclass from the JSON values of its fields, those of ``groups`` dataclasses too."""
    if not isinstance(record, dict):
        raise InputError(f"{within.rstrip('.')} is {record!r}: must be settings by their names")
    known = {field.name for field in dataclasses.fields(kind)}
    values = {}
    for name, value in record.items():
        if name not in known:
            raise InputError(f"{within}{name} is no setting: {did_you_mean(name, known)}")
        if name in groups:
            nested: dict[str, type] = {"validation": Protocol} if name == "distill" else {}
            values[name] = _made(groups[name], value, nested, f"{within}{name}.")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
