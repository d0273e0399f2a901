"""(start, target) pairs from an expert store."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from mttjax.distilling.method import Drawn
from mttjax.system import seeds
from mttjax.system.errors import InputError

__all__ = ["ExpertPairs"]

MEMORY_LIMIT = 2 * 2**30  # bytes of snapshots kept; more than this is read again when drawn


class Store(Protocol):
    """What pairs are drawn from, such as an ``ExpertStore``."""

    folder: Any

    def load(self, expert: int, epoch: int, like: Any) -> Any:
        """The parameters of an expert after an epoch."""

    def missing(self, expert: int, last_epoch: int) -> list[int]:
        """The epochs to ``last_epoch`` that it lacks."""

    def experts_with(self, last_epoch: int) -> list[int]:
        """The experts that lack none."""


class ExpertPairs:
    """Pairs of snapshots: an expert's epoch s and its epoch s + M.

    Iterated over, it gives (start, target) without end, two pytrees for ``match_loss``:

        pairs = mttjax.ExpertPairs(store, network.shapes, expert_epochs=2, max_start=4)
        for start, target in pairs:
            ...

    Args:
      store: an ``ExpertStore``.
      like: a pytree of ``jax.ShapeDtypeStruct`` or arrays: the network's parameters.
      expert_epochs: M, epochs from start to target.
      max_start: T⁺, start epochs s are drawn from 0 to T⁺ - 1.
      window: ``window(step) -> (low, high)``: those of step ``step`` are drawn from low to
        high - 1 instead, such as ``MTT.window``; none of them is above T⁺ - 1. A third number is
        what is recorded as the step's T⁺, in the place of high.
      experts: E: experts 0 to E - 1 are used; None: all that have the epochs needed.
      seed: decides which expert and epoch each step gets, from the step's number alone.
      count: P, pairs per step.
      own: which of the P are read, such as those of one process; None: all.

    Raises:
      InputError: one of the experts lacks an epoch of 0 to T⁺ - 1 + M.
    """

    def __init__(
        self,
        store: Store,
        like: Any,
        *,
        expert_epochs: int,
        max_start: int,
        window: Callable[[int], tuple[int, ...]] | None = None,
        experts: int | None = None,
        seed: int = 0,
        count: int = 1,
        own: Sequence[int] | None = None,
    ) -> None:
        last = max_start - 1 + expert_epochs
        # Always the same experts, whichever more there are: a run that goes on later draws alike.
        self.experts = list(range(experts)) if experts else store.experts_with(last)
        lacking = {e: missing for e in self.experts if (missing := store.missing(e, last))}
        if lacking or not self.experts:
            first = next(iter(lacking), 0)
            epoch = lacking.get(first, [0])[0]
            raise InputError(
                f"{store.folder}: {len(self.experts) - len(lacking)} of {experts or 'at least 1'} "
                f"experts have all epochs to {last} (max_start {max_start} - 1 + expert_epochs "
                f"{expert_epochs}); expert {first} lacks epoch {epoch}. Train them with "
                "train_experts, or use fewer"
            )
        self._store, self._like = store, like
        self._expert_epochs = expert_epochs
        self._window = window or (lambda step: (0, max_start))
        self._seed, self._count = seed, count
        self._own = range(count) if own is None else own
        bytes_of_one = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like))
        self._keep = bytes_of_one * len(self.experts) * (last + 1) <= MEMORY_LIMIT
        self._kept: dict[tuple[int, int], Any] = {}

    def draw(self, step: int) -> Drawn:
        """What outer step ``step`` matches: (start, target), with a leading axis of P, or of
        ``own`` of them. The first P of more are the same P.
        """
        rng, (low, high, *end) = seeds.rng("pairs", self._seed, step), self._window(step)
        drawn = [
            (self.experts[rng.integers(len(self.experts))], int(rng.integers(low, high)))
            for _ in range(self._count)
        ]
        own = [drawn[i] for i in self._own]
        start = _stack([self._load(expert, epoch) for expert, epoch in own])
        target = _stack([self._load(expert, e + self._expert_epochs) for expert, e in own])
        experts, epochs = zip(*drawn, strict=True)
        note = {"experts": experts, "epochs": epochs, "max_start": end[0] if end else high}
        return Drawn((start, target), note)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """(start, target) of step 0, 1, …, without end; without the axis of P where P is 1."""
        step = 0
        while True:
            pair = self.draw(step).context
            yield jax.tree.map(lambda x: x[0], pair) if self._count == 1 else pair
            step += 1

    def _load(self, expert, epoch):
        if (expert, epoch) in self._kept:
            return self._kept[expert, epoch]
        params = self._store.load(expert, epoch, self._like)
        if self._keep:
            self._kept[expert, epoch] = params
        return params


def _stack(trees):
    if len(trees) == 1:  # a view: nothing is copied
        return jax.tree.map(lambda x: x[None], trees[0])
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
