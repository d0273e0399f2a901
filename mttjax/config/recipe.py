"""How experts are trained."""

import dataclasses

from mttjax.core.networks import NetworkSpec

__all__ = ["Recipe"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides an expert's snapshots, but for the data."""

    network: NetworkSpec
    preprocessing: str
    """``standardize`` or ``zca``."""
    ops: tuple[str, ...]
    """The operations of DSA; empty for none."""
    lr: float = 0.01
    batch: int = 256
    seed: int = 0
    statistics: str | None = None
    """Whose published mean and deviation to standardise by; None: those of the data set."""
