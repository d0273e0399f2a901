"""What figures are drawn of: options of the commands, had without JAX."""

import dataclasses
import itertools
from typing import Annotated

from mttjax.config.protocol import Protocol
from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, COUNT_OR_ZERO, SEED, Checked

__all__ = ["KINDS", "Sweep", "Walks"]


@dataclasses.dataclass(frozen=True)
class Sweep(Checked):
    """What is swept, and how the sets are evaluated."""

    student_steps: Annotated[tuple[int, ...], COUNT] = (5, 10, 20, 30)
    """Gradient steps of the student (S): a line each."""
    expert_epochs: Annotated[tuple[int, ...], COUNT] = (1, 2, 3)
    """Epochs of the expert from start to target (M): a point of every line each."""
    protocol: Protocol = dataclasses.field(default_factory=Protocol)
    """How networks are trained on the sets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.student_steps or not self.expert_epochs:
            raise InputError("student_steps and expert_epochs: give at least one number each")

    @property
    def protocol_name(self) -> str:
        """Results of other protocols lie beside, under theirs."""
        return f"{self.protocol.networks}x{self.protocol.epochs}"

    def cells(self) -> list[tuple[int, int]]:
        """Every (S, M) once, S by S."""
        return sorted({(s, m) for s in self.student_steps for m in self.expert_epochs})


KINDS = ("distilled", "real")
"""The data that a student is trained on."""


@dataclasses.dataclass(frozen=True)
class Walks(Checked):
    """What is walked: every expert from every start, on either data."""

    held_out: Annotated[tuple[int, ...], COUNT_OR_ZERO]
    """Numbers of experts that the set was not distilled with."""
    starts: Annotated[tuple[int, ...], COUNT_OR_ZERO] = (0,)
    """Epochs of the expert to begin at (s)."""
    expert_epochs: Annotated[int | None, COUNT] = None
    """Epochs from start to target (M). None: as the set was distilled."""
    steps: Annotated[int, COUNT] = 100
    """Gradient steps on either data."""
    every: Annotated[int, COUNT] = 2
    """Steps between two distances, a divisor of the steps."""
    batch: Annotated[int | None, COUNT] = None
    """Distilled images per step (B). None: as the set was distilled, or all."""
    seed: Annotated[int, SEED] = 0
    """Decides the orders and augmentations."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.held_out or not self.starts:
            raise InputError("held_out and starts: give at least one number each")
        if self.steps % self.every:
            raise InputError(f"every is {self.every}: must divide steps, {self.steps}")

    def target(self, start: int) -> int:
        """s + M; raises ``InputError`` where M is not known."""
        if self.expert_epochs is None:
            raise InputError("expert_epochs is None: give M, the set was not distilled by MTT")
        return start + self.expert_epochs

    def all(self) -> list[tuple[str, int, int]]:
        """(data, expert, start) of every walk."""
        return list(itertools.product(KINDS, sorted(set(self.held_out)), sorted(set(self.starts))))
