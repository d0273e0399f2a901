"""How a set is evaluated."""

import dataclasses
from typing import Annotated

from mttjax.system.fields import COUNT, NOT_NEGATIVE, SHARE_BELOW_ONE, Checked, Range

__all__ = ["Protocol"]


@dataclasses.dataclass(frozen=True)
class Protocol(Checked):
    """How networks are trained on a distilled set."""

    networks: Annotated[int, Range(0, 10_000)] = 5
    """How many fresh networks; mean and standard deviation are over them. 0: no evaluation."""
    epochs: Annotated[int, COUNT] = 1001
    """Passes over the set. The rate drops tenfold after epoch index epochs // 2 + 1."""
    batch: Annotated[int, COUNT] = 256
    """Images per gradient step; the last partial batch of a pass is kept."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    """The momentum of the networks' SGD."""
    weight_decay: Annotated[float, NOT_NEGATIVE] = 5e-4
    """The weight decay of the networks' SGD."""
