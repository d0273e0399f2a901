"""The draws that ``mttjax.dsa`` makes from a JAX key, as parameters for the PyTorch side.

A replay of ``mttjax.augmentation``: the same keys split in the same order. Call it with
the same ``jax.enable_x64``, because JAX draws other numbers in float64.
"""

import jax
import numpy as np
import torch

from benchmarks.pytorch import drawing
from benchmarks.pytorch.augmentation import apply_operation

__all__ = ["make_augment", "operation_draws", "replay"]


def replay(key, ops, batch, height, width, dtype=np.float32):
    """The operation out of ``ops`` that ``mttjax.dsa(key, ...)`` takes, and its parameters."""
    which_key, key = jax.random.split(key)
    which = int(jax.random.randint(which_key, (), 0, len(ops))) if len(ops) > 1 else 0
    return ops[which], operation_draws(key, ops[which], batch, height, width, dtype)


def operation_draws(key, op, batch, height, width, dtype=np.float32):
    """name -> [B] tensor, as ``drawing.draw`` returns them, from the operation's own key."""

    def uniform(key, low, high):
        return jax.random.uniform(key, (batch,), dtype, low, high)

    def shift(key, side):
        reach = drawing.crop_reach(side)
        return jax.random.randint(key, (batch,), -reach, reach + 1)

    def first_of_hole(key, side):
        size = drawing.cutout_size(side)
        return jax.random.randint(key, (batch,), 0, side + 1 - size % 2) - size // 2

    match op:
        case "color":
            keys = jax.random.split(key, 3)
            ranges = drawing.COLOR.items()
            drawn = {n: uniform(k, *limits) for k, (n, limits) in zip(keys, ranges, strict=True)}
        case "crop":
            rows, columns = jax.random.split(key)
            drawn = {"rows": shift(rows, height), "columns": shift(columns, width)}
        case "cutout":
            rows, columns = jax.random.split(key)
            drawn = {
                "first_row": first_of_hole(rows, height),
                "first_column": first_of_hole(columns, width),
            }
        case "flip":
            drawn = {"flipped": jax.random.bernoulli(key, 0.5, (batch,))}
        case "scale":
            columns, rows = jax.random.split(key)
            drawn = {
                "rows": uniform(rows, *drawing.SCALE),
                "columns": uniform(columns, *drawing.SCALE),
            }
        case "rotate":
            drawn = {"degrees": uniform(key, *drawing.DEGREES)}
    return {name: torch.tensor(np.asarray(value)) for name, value in drawn.items()}


def make_augment(key, ops, dtype=np.float32):
    """``augment(step, images)`` for the PyTorch ``match_loss`` with the draws of mttjax's."""

    def augment(step, images):
        batch, _, height, width = images.shape
        op, drawn = replay(jax.random.fold_in(key, step), ops, batch, height, width, dtype)
        return apply_operation(op, images, {n: p.to(images.device) for n, p in drawn.items()})

    return augment
