"""The draws that ``mttjax.dsa`` makes from a JAX key, as parameters for the PyTorch side.

A replay of ``mttjax.core.augmentation``: the same keys split in the same order. Call it with
the same ``jax.enable_x64``, because JAX draws other numbers in float64.
"""

import jax
import numpy as np
import torch

from benchmarks.pytorch.augmentation import apply_operation
from benchmarks.pytorch.drawing import draw_with

__all__ = ["make_augment", "replay"]

DRAWS = {"color": 3, "crop": 2, "cutout": 2, "flip": 1, "scale": 2, "rotate": 1}
"""How many keys an operation splits its own into; 1: it takes that itself."""


def replay(key, ops, batch, height, width, dtype=np.float32):
    """The operation out of ``ops`` that ``mttjax.dsa(key, ...)`` takes, and its parameters."""
    which_key, key = jax.random.split(key)
    op = ops[int(jax.random.randint(which_key, (), 0, len(ops)))]
    keys = iter(jax.random.split(key, DRAWS[op]) if DRAWS[op] > 1 else [key])
    drawn = draw_with(
        lambda low, high: jax.random.uniform(next(keys), (batch,), dtype, low, high),
        lambda low, high: jax.random.randint(next(keys), (batch,), low, high),
        lambda: jax.random.bernoulli(next(keys), 0.5, (batch,)),
        op,
        height,
        width,
    )
    return op, {name: torch.tensor(np.asarray(value)) for name, value in drawn.items()}


def make_augment(key, ops, dtype=np.float32):
    """``augment(step, images)`` for the PyTorch ``match_loss`` with the draws of mttjax's."""

    def augment(step, images):
        batch, _, height, width = images.shape
        op, drawn = replay(jax.random.fold_in(key, step), ops, batch, height, width, dtype)
        return apply_operation(op, images, drawn)

    return augment
