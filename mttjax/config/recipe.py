"""How experts are trained."""

import dataclasses
from typing import Annotated, Literal

from mttjax.core.network_spec import NetworkSpec
from mttjax.core.statistics import STATISTICS
from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, NOT_NEGATIVE, POSITIVE, SEED, Checked
from mttjax.system.text import did_you_mean

__all__ = ["DSA_OPS", "Operation", "Recipe", "check_ops", "check_statistics"]

Operation = Literal["color", "crop", "cutout", "flip", "scale", "rotate"]
"""One of DSA's."""

DSA_OPS: tuple[Operation, ...] = ("color", "crop", "cutout", "flip", "scale", "rotate")


@dataclasses.dataclass(frozen=True)
class Recipe(Checked):
    """Everything that decides an expert's snapshots, but for the data."""

    network: NetworkSpec = dataclasses.field(default_factory=NetworkSpec)
    preprocessing: Literal["standardize", "zca"] = "standardize"
    """How the images are normalised."""
    ops: tuple[Operation, ...] = DSA_OPS
    """The operations of DSA; empty for none."""
    lr: Annotated[float, POSITIVE] = 0.01
    """The learning rate, of plain SGD."""
    batch: Annotated[int, COUNT] = 256
    """Real images per gradient step."""
    seed: Annotated[int, SEED] = 0
    """Decides initialisations, orders and augmentations."""
    statistics: str | None = None
    """Whose published mean and deviation to standardise by; None: those of the data set."""
    flat: Literal["no", "gsam"] = "no"
    """`gsam`: every step looks for flat minima, at twice the price (FTD, CVPR 2023)."""
    rho: Annotated[float, NOT_NEGATIVE] = 0.01
    """How far such a step looks, in units of the parameters' own sizes (ρ)."""
    alpha: Annotated[float, NOT_NEGATIVE] = 0.3
    """The weight of the part of the gradient that the one looked at lacks (α)."""
    tile: int | None = None
    """In which form convolutions are computed, see ``convolve``. A new store takes what suits the
    device, whatever this is, and keeps to it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ops(self.ops)
        check_statistics(self.statistics)


def check_ops(ops: tuple[str, ...]) -> None:
    """Raises ``InputError`` where an operation is there twice."""
    if twice := sorted({op for op in ops if ops.count(op) > 1}):
        raise InputError(f"ops is {' '.join(ops)}: {', '.join(twice)} is there twice")


def check_statistics(name: str | None) -> None:
    """Raises ``InputError`` unless statistics of that name are published, or none are asked for."""
    if name is not None and name not in STATISTICS:
        raise InputError(f"statistics is {name!r}: {did_you_mean(name, STATISTICS)}")
