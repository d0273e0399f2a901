"""(start, target) pairs from an expert store."""

import jax
import numpy as np

from mttjax.distilling.method import Drawn
from mttjax.system.errors import InputError

__all__ = ["PairSource"]

MEMORY_LIMIT = 2 * 2**30  # bytes of snapshots kept; more than this is read again when drawn


class PairSource:
    """The pairs of every outer step, drawn from ``[seed, step]`` alone.

    Args:
      store: an ``ExpertStore``.
      like: a pytree of ``jax.ShapeDtypeStruct``: the network's parameters.
      expert_epochs: M, epochs from start to target.
      max_start: T⁺, start epochs are drawn from 0 to T⁺ - 1.
      experts: E: experts 0 to E - 1 are used; None: all that have the epochs needed.
      seed: of the run.
      count: K, pairs per step.

    Raises:
      InputError: one of the experts lacks an epoch of 0 to T⁺ - 1 + M.
    """

    def __init__(self, store, like, *, expert_epochs, max_start, experts, seed, count=1):
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
                "bin/train_experts, or take fewer with --experts.count"
            )
        self._store, self._like = store, like
        self._expert_epochs, self._max_start = expert_epochs, max_start
        self._seed, self._count = seed, count
        bytes_each = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like))
        self._keep = bytes_each * len(self.experts) * (last + 1) <= MEMORY_LIMIT
        self._kept = {}

    def draw(self, step):
        """What outer step ``step`` matches: (start, target), with a leading axis of K.

        The first K of more are the same K.
        """
        rng = np.random.default_rng([self._seed, step])
        drawn = [
            (self.experts[rng.integers(len(self.experts))], int(rng.integers(self._max_start)))
            for _ in range(self._count)
        ]
        start = _stack([self._load(expert, epoch) for expert, epoch in drawn])
        target = _stack([self._load(expert, e + self._expert_epochs) for expert, e in drawn])
        experts, epochs = zip(*drawn, strict=True)
        return Drawn((start, target), {"experts": experts, "epochs": epochs})

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
