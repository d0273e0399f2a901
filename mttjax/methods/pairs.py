"""(start, target) pairs from an expert store."""

import jax
import numpy as np

from mttjax.errors import InputError
from mttjax.methods.method import Drawn

__all__ = ["PairSource"]

MEMORY_LIMIT = 2 * 2**30  # bytes of snapshots kept; more than this is read again when drawn


class PairSource:
    """The pairs of every outer step, drawn from ``[seed, step]`` alone.

    Args:
      store: an ``ExpertStore``.
      like: a pytree of ``jax.ShapeDtypeStruct``: the network's parameters.
      expert_epochs: M, epochs from start to target.
      max_start: T⁺, start epochs are drawn from 0 to T⁺ - 1.
      experts: E, how many experts to use; None: all that have the epochs needed.
      seed: of the run.
      count: K, pairs per step.

    Raises:
      InputError: fewer experts than needed have epoch T⁺ - 1 + M.
    """

    def __init__(self, store, like, *, expert_epochs, max_start, experts, seed, count=1):
        last = max_start - 1 + expert_epochs
        ready = store.experts_with(last)
        if len(ready) < (experts or 1):
            raise InputError(
                f"{store.folder}: {len(ready)} experts there have epoch {last} "
                f"(max_start {max_start} - 1 + expert_epochs {expert_epochs}), "
                f"{experts or 'at least 1'} needed"
            )
        self.experts = ready[:experts] if experts else ready
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
