"""What the table holds."""

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from mttjax.config.methods import METHODS, PAPER_METHODS, require_method
from mttjax.config.protocol import Protocol
from mttjax.system.errors import InputError
from mttjax.system.fields import COUNT, NOT_NEGATIVE, POSITIVE, SHARE_BELOW_ONE, Checked, Range

__all__ = ["PROTOCOLS", "Cell", "FullData", "Plan"]

PROTOCOLS = {"paper": Protocol(), "short": Protocol(epochs=300)}
"""How networks are trained on the sets: as in MTT's paper, or for 300 epochs."""


class Cell(NamedTuple):
    """A method at a size, with the seed of its run."""

    method: str
    ipc: int
    seed: int

    @property
    def name(self) -> str:
        """Its files are called so."""
        return f"{self.method}-ipc{self.ipc}-seed{self.seed}"


@dataclasses.dataclass(frozen=True)
class FullData(Checked):
    """The better recipe: momentum, weight decay, and a rate that falls to nothing."""

    networks: Annotated[int, Range(1, 10_000)] = 5
    """How many networks are trained on all real images."""
    epochs: Annotated[int, COUNT] = 50
    """Epochs of each of them."""
    lr: Annotated[float, POSITIVE] = 0.01
    """Their learning rate to begin with; it falls along half a cosine, epoch by epoch."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    """The momentum of their SGD."""
    weight_decay: Annotated[float, NOT_NEGATIVE] = 5e-4
    """The weight decay of their SGD."""
    batch: Annotated[int, COUNT] = 256
    """Real images per gradient step."""


@dataclasses.dataclass(frozen=True)
class Plan(Checked):
    """The cells, and how their sets are evaluated."""

    ipc: Annotated[tuple[int, ...], COUNT] = ()
    """Images per class. None: the preset's."""
    methods: tuple[str, ...] = PAPER_METHODS
    """Which methods; the default: those of the paper. `datm` can be added."""
    protocol: Literal["paper", "short"] = "paper"
    """How networks are trained on the sets: `paper`, 1001 epochs; `short`, 300."""
    networks: Annotated[int, Range(1, 10_000)] = 5
    """How many networks are trained on each set."""
    seeds: Annotated[int, COUNT] = 1
    """Runs of every method that learns, each with a seed of its own."""
    draws: Annotated[int, COUNT] = 3
    """How many sets of random images."""
    kind: Literal["last", "best", "best_on_test"] = "last"
    """Which set of a run: the last, the best on validation, or the best on test as the papers
    report it."""
    full: bool = True
    """Train networks on all real images too."""
    full_data: FullData = dataclasses.field(default_factory=FullData)
    """How those are trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for method in self.methods:
            require_method(method)
        if not self.methods:
            raise InputError("a table needs at least one method")

    def cells(self) -> Iterator[Cell]:
        """All cells, by size and then in the table's order."""
        for ipc in self.ipc:
            for method in (m for m in METHODS if m in self.methods):
                for seed in range(self.draws if method == "random" else self.seeds):
                    yield Cell(method, ipc, seed)
