"""``DistilledSet``: synthetic images, labels, rate and all that evaluating them needs."""

import dataclasses
import math
from typing import Any

import numpy as np

from mttjax.core.augmentation import OPERATIONS
from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import ZCA, Preprocessing, Standardize
from mttjax.system.errors import InputError
from mttjax.system.provenance import versions
from mttjax.system.text import is_printable, shown

__all__ = ["DistilledSet", "require_field"]

MOST_LEVELS = 50
"""How deeply ``settings`` and ``versions`` may nest; what shows them goes down level by level."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DistilledSet:
    """N synthetic images of K classes with everything that decides how they are used.

    Raises:
      InputError: a field is not what is said here; it is named.
    """

    images: np.ndarray
    """[N, H, W, C] float32, finite, in normalised space."""
    labels: np.ndarray
    """[N, K] float32 probabilities."""
    lr: float
    """The student's learning rate α, positive in float32."""
    preprocessing: Preprocessing
    """With its arrays; its ``inverse`` turns ``images`` into pixels."""
    network: NetworkSpec
    dataset: str
    class_names: tuple[str, ...]
    """K names; like ``dataset`` without control characters, which a terminal would obey."""
    ops: tuple[str, ...] = ()
    """The DSA operations of distillation and evaluation; empty for none."""
    seed: int = 0
    """What it was made with."""
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    """JSON values: the settings of the run, its method and step."""
    versions: dict[str, str] = dataclasses.field(default_factory=versions)
    """The versions that the run was made with, by package."""

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)))
        object.__setattr__(self, "lr", float(self.lr))
        _check_arrays(self.images, self.labels)
        _check_preprocessing(self.preprocessing, self.images.shape[1:])
        with np.errstate(over="ignore"):
            lr = np.float32(self.lr)
        good = np.isfinite(lr) and lr > 0
        require_field(good, "lr", "a positive number that float32 holds", self.lr)
        unknown = [op for op in self.ops if op not in OPERATIONS]
        require_field(not unknown, "ops", f"names out of {' '.join(OPERATIONS)}", unknown)
        names, classes = self.class_names, self.labels.shape[1]
        _check_text("dataset", self.dataset)
        for name in names:
            _check_text("class_names", name)
        _check_levels("settings", self.settings)
        _check_levels("versions", self.versions)
        require_field(
            len(names) == classes, "class_names", f"{classes} names, as in labels", len(names)
        )

    def __repr__(self) -> str:
        step = self.settings.get("step")
        how = f"{self.settings.get('method', 'unknown')}{'' if step is None else f', step {step}'}"
        size = "x".join(map(str, self.images.shape[1:]))
        return (
            f"DistilledSet({self.dataset}: {len(self.images)} images of {size}, "
            f"{self.per_class} for each of {len(self.class_names)} classes\n"
            f"  method {how}, seed {self.seed}\n"
            f"  rate {self.lr:g}, {self.preprocessing.kind}, "
            f"augmentation {' '.join(self.ops) or 'none'}\n"
            f"  {self.network})"
        )

    @property
    def classes(self) -> np.ndarray:
        """[N] int64: the most probable class of each image."""
        return self.labels.argmax(axis=1)

    @property
    def ipc(self) -> int:
        """Images per class: N / K, rounded down."""
        return len(self.images) // self.labels.shape[1]

    @property
    def counts(self) -> np.ndarray:
        """[K] int64: images of each class, by their most probable one."""
        return np.bincount(self.classes, minlength=self.labels.shape[1])

    @property
    def is_uneven(self) -> bool:
        """Whether classes have unequal numbers of images; of soft labels there is no saying."""
        return not self.has_soft_labels and bool(np.ptp(self.counts))

    @property
    def per_class(self) -> str:
        """Images per class in words: "10", or "1 to 3"."""
        low, high = self.counts.min(), self.counts.max()
        return f"{low} to {high}" if self.is_uneven else str(self.ipc)

    @property
    def stored_bytes(self) -> int:
        """What is to be stored: images, or the numbers and masks that they are decoded from, and
        soft labels."""
        of_images = self.settings.get("stored_bytes")
        of_images = of_images if type(of_images) is int else self.images.nbytes
        return of_images + (self.labels.nbytes if self.has_soft_labels else 0)

    @property
    def stored_ipc(self) -> float | None:
        """Images per class that take as many bytes; None where these are the set's own."""
        if (stored := self.stored_bytes) == self.images.nbytes:
            return None
        return stored / self.images[0].nbytes / self.labels.shape[1]

    @property
    def has_soft_labels(self) -> bool:
        """Whether an image belongs to more than one class."""
        return bool((np.count_nonzero(self.labels, axis=1) > 1).any())

    def with_hard_labels(self) -> "DistilledSet":
        """The same images, each wholly of its most probable class."""
        hard = np.eye(self.labels.shape[1], dtype=np.float32)[self.classes]
        return dataclasses.replace(self, labels=hard)

    def pixels(self) -> np.ndarray:
        """[N, H, W, C] uint8: the images as they would be shown, clipped to what a pixel holds."""
        return np.rint(np.clip(self.unclipped_pixels(), 0, 1) * 255).astype(np.uint8)

    def clipped(self) -> float:
        """The share of the numbers in ``pixels`` that were darker than black or lighter than white
        by more than rounding takes, in [0, 1]."""
        shown = self.unclipped_pixels()
        return float(np.mean(np.abs(shown - np.clip(shown, 0, 1)) > 0.5 / 255))

    def unclipped_pixels(self) -> np.ndarray:
        """[N, H, W, C] float32: the images in the space in which 0 is black and 1 is white."""
        return np.asarray(self.preprocessing.inverse(self.images))  # type: ignore[arg-type]


def require_field(condition: object, field: str, expected: str, found: object) -> None:
    """Raises ``InputError`` that names a field of the set, unless ``condition`` holds."""
    if not condition:
        raise InputError(f"the distilled set's {field} should be {expected}, found {shown(found)}")


def _check_text(field, value):
    """Names are shown by terminals and pages and become names of files."""
    good = isinstance(value, str) and is_printable(value)
    require_field(good, field, "text without control characters, in UTF-8 (rename it)", value)


def _check_levels(field, tree):
    require_field(isinstance(tree, dict), field, "a dictionary", tree)
    level = [tree]
    for _ in range(MOST_LEVELS):
        level = [
            item
            for branch in level
            for item in (branch.values() if isinstance(branch, dict) else branch)
            if isinstance(item, dict | list | tuple)
        ]
    require_field(not level, field, f"nested no deeper than {MOST_LEVELS} levels", "more")


def _check_arrays(images, labels):
    for name, array, rank, letters in (
        ("images", images, 4, "[N, H, W, C]"),
        ("labels", labels, 2, "[N, K]"),
    ):
        found = f"{array.dtype} {list(array.shape)}"
        good = array.ndim == rank and array.size > 0 and array.dtype == np.float32
        require_field(good, name, f"float32 {letters} and not empty (astype(np.float32)?)", found)
        require_field(np.isfinite(array).all(), name, "finite", "values that are not")
    require_field(len(images) == len(labels), "labels", f"{len(images)}, one an image", len(labels))
    require_field(labels.min() >= 0, "labels", "probabilities", float(labels.min()))
    sums = labels.sum(axis=1, dtype=np.float64)
    worst = float(sums[np.abs(sums - 1).argmax()])
    require_field(abs(worst - 1) <= 1e-3, "labels", "probabilities that add up to 1", worst)


def _check_preprocessing(preprocessing, image_shape):
    good = isinstance(preprocessing, Standardize | ZCA)
    require_field(good, "preprocessing", "Standardize or ZCA", preprocessing)
    zca = isinstance(preprocessing, ZCA)
    size = math.prod(image_shape) if zca else image_shape[-1]
    for name, value in preprocessing._asdict().items():
        array, field = np.asarray(value), f"preprocessing.{name}"
        shape = (size,) if name in ("mean", "std") else (size, size)
        require_field(array.shape == shape, field, f"of shape {shape}", array.shape)
        require_field(np.isfinite(array).all(), field, "finite", "values that are not")
    if not zca:
        std = np.asarray(preprocessing.std)
        require_field((std > 0).all(), "preprocessing.std", "positive", std.tolist())
