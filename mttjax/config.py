"""The settings of a run as frozen dataclasses, and the presets that fill them."""

import dataclasses
import difflib
import importlib.util
from pathlib import Path
from typing import Literal

from mttjax.errors import InputError
from mttjax.evaluating import Protocol
from mttjax.experts import Recipe
from mttjax.networks import NetworkSpec
from mttjax.outer_step import Matching

__all__ = ["Data", "Distill", "Experts", "Settings", "load_preset", "preset_names", "preset_row"]

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


@dataclasses.dataclass(frozen=True)
class Distill(Matching):
    """The distillation."""

    steps: int = 5000
    """Outer steps."""
    chunk: int | None = None
    """Images of a minibatch computed at once, a divisor of it; the gradient is the same, the
    memory smaller. None: what fits a CPU's caches, all on an accelerator."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the student's network; parameters and their updates are float32 either way."""
    initial: Literal["real", "noise"] = "real"
    """What the images are before the first step."""
    evaluate_every: int = 500
    """Outer steps between evaluations on validation; 0: only before and after."""
    save_every: int = 50
    """Outer steps between saved states."""
    validation: Protocol = dataclasses.field(
        default_factory=lambda: Protocol(networks=2, epochs=300)
    )
    """The evaluations during the run: shorter than the final one, on validation."""
    track_test: bool = False
    """Score on test too and keep the best on test: the paper's protocol, which selects on
    the test set."""

    def matching(self):
        """The part that decides a step."""
        names = [field.name for field in dataclasses.fields(Matching)]
        return Matching(**{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class Run:
    """Where a run goes."""

    folder: str | None = None
    """None: runs/PRESET-ipcN."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a preset sets and a command can change."""

    name: str = "custom"
    """Names the run."""
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
    distill: Distill = dataclasses.field(default_factory=Distill)
    evaluate: Protocol = dataclasses.field(default_factory=Protocol)
    """The final evaluation."""
    run: Run = dataclasses.field(default_factory=Run)

    @property
    def epochs_needed(self):
        """The last epoch of an expert that this distillation reads."""
        return self.distill.max_start - 1 + self.distill.expert_epochs

    @property
    def expert_epochs(self):
        """T: what was asked for, or what is read."""
        return self.experts.epochs or self.epochs_needed

    def recipe(self):
        """How the experts are trained."""
        return Recipe(
            network=self.network,
            preprocessing=self.preprocessing,
            ops=self.ops,
            lr=self.experts.lr,
            batch=self.experts.batch,
            seed=self.seed,
            statistics=self.data.statistics,
        )

    @property
    def expert_folder(self):
        if self.experts.folder:
            return Path(self.experts.folder)
        net = self.network
        recipe = f"{net.name}-d{net.depth}-w{net.width}-{self.preprocessing}"
        return Path("experts") / self.data.dataset / recipe

    @property
    def run_folder(self):
        return Path(self.run.folder or f"runs/{self.name}-ipc{self.ipc}")

    def record(self):
        """The settings that decide a run, ready for JSON: no folders, nothing of the machine."""
        record = dataclasses.asdict(self)
        del record["run"]
        for group, name in (("data", "dir"), ("data", "download"),
                            ("experts", "folder"), ("experts", "parallel")):  # fmt: skip
            del record[group][name]
        return record


def preset_row(rows, ipc, **changes):
    """The row of a preset for ``ipc``; between two rows, or beyond, that of the nearest below.

    Args:
      rows: ipc -> ``Distill``.
      ipc: images per class.
      changes: fields that are the same in every row.
    """
    nearest = max((n for n in rows if n <= ipc), default=min(rows))
    return dataclasses.replace(rows[nearest], **changes)


def preset_folder():
    """Where the presets are: in the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "configs"
    return inside if inside.is_dir() else here.parent / "configs"


def preset_names():
    """The names that ``--config`` knows."""
    return sorted(p.stem for p in preset_folder().glob("*.py") if not p.stem.startswith("_"))


def load_preset(name):
    """The module of a preset: ``get_config(ipc) -> Settings`` and ``IPCS``.

    Args:
      name: a preset's name, or the path of a ``.py`` file of that form.

    Raises:
      InputError: no such preset or file, or one without ``get_config``.
    """
    path = Path(name) if name.endswith(".py") else preset_folder() / f"{name}.py"
    if not path.is_file():
        near = difflib.get_close_matches(name, preset_names(), 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"--config {name!r}: no such preset; {hint}There are {', '.join(preset_names())}; "
            "or give the path of a .py file"
        )
    spec = importlib.util.spec_from_file_location(f"mttjax_preset_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise InputError(f"{path}: a preset needs a function get_config(ipc)")
    return module
