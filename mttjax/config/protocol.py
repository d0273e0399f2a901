"""How networks are trained on a distilled set."""

import dataclasses

from mttjax.system.errors import InputError
from mttjax.system.fields import Range, check_fields

__all__ = ["PROTOCOL_RANGES", "Protocol"]


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How networks are trained on a distilled set."""

    networks: int = 5
    """How many fresh networks; mean and standard deviation are over them."""
    epochs: int = 1001
    """Passes over the set. The rate drops tenfold after epoch index epochs // 2 + 1."""
    batch: int = 256
    """Images per gradient step; the last partial batch of a pass is kept."""
    momentum: float = 0.9
    weight_decay: float = 5e-4


MOST_NETWORKS, MOST = 10_000, 10**9

PROTOCOL_RANGES = {
    "networks": Range(1, MOST_NETWORKS),
    "epochs": Range(1, MOST),
    "batch": Range(1, MOST),
    "momentum": Range(0, 1, below=True),
    "weight_decay": Range(0, 1e30),
}


def _check_protocol(protocol):
    """Raises ``InputError`` unless networks can be trained by a ``Protocol``."""
    if not isinstance(protocol, Protocol):
        raise InputError(f"an evaluation needs a Protocol, got {type(protocol).__name__}")
    check_fields(protocol, PROTOCOL_RANGES, "--protocol.")
