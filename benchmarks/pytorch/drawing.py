"""The random choices of DSA, with the ranges of ``mttjax.core.augmentation``, and minibatches.

Nothing here waits for the device: only which operation it is, is drawn on the host.
"""

import math
import random
from typing import NamedTuple

import torch

__all__ = ["Generators", "draw", "draw_with", "make_generators", "permutations", "sample_batches"]

COLOR = {"brightness": (-0.5, 0.5), "saturation": (0.0, 2.0), "contrast": (0.5, 1.5)}
CROP = 0.125
CUTOUT = 0.5
SCALE = (1 / 1.2, 1.2)
DEGREES = (-15.0, 15.0)


class Generators(NamedTuple):
    """Where the randomness comes from."""

    host: random.Random
    """Decides which operation."""
    device: torch.Generator
    """Decides everything else, on the device of the images."""


def make_generators(seed, device="cpu"):
    """Both generators, seeded."""
    return Generators(random.Random(seed), torch.Generator(device).manual_seed(seed))


def permutations(generator, count, n):
    """[count, n] permutations of 0..n-1, all in one sort on the generator's device."""
    chance = torch.rand(count, n, generator=generator, device=generator.device)
    return chance.argsort(dim=1)


def sample_batches(generator, n, steps, batch):
    """[S, B] indices: consecutive chunks of fresh permutations, as ``mttjax.sample_batches``."""
    per_pass = n // batch
    passes = -(-steps // per_pass)
    order = permutations(generator, passes, n)[:, : per_pass * batch]
    return order.reshape(-1, batch)[:steps]


def crop_reach(side):
    """The largest shift of a crop, in pixels."""
    return math.floor(CROP * side + 0.5)


def cutout_size(side):
    """The side of the square that is cut out."""
    return math.floor(CUTOUT * side + 0.5)


def draw(generator, op, batch, height, width):
    """The parameters of an operation, name -> [B], as ``apply_operation`` expects them."""
    device = generator.device

    def uniform(low, high):
        return torch.empty(batch, device=device).uniform_(low, high, generator=generator)

    def integers(low, high):
        return torch.randint(low, high, (batch,), generator=generator, device=device)

    return draw_with(uniform, integers, lambda: integers(0, 2).bool(), op, height, width)


def draw_with(uniform, integers, coin, op, height, width):
    """The same from any source of [B] numbers, asked in the order of ``mttjax.dsa``.

    They are ``uniform(low, high)``, ``integers(low, high)`` with ``high`` left out, and ``coin()``.
    """

    def shift(side):
        return integers(-crop_reach(side), crop_reach(side) + 1)

    def first_of_hole(side):
        size = cutout_size(side)
        # An even square has its centre between pixels: one more position.
        return integers(0, side + 1 - size % 2) - size // 2

    match op:
        case "color":
            return {name: uniform(*limits) for name, limits in COLOR.items()}
        case "crop":
            return {"rows": shift(height), "columns": shift(width)}
        case "cutout":
            return {"first_row": first_of_hole(height), "first_column": first_of_hole(width)}
        case "flip":
            return {"flipped": coin()}
        case "scale":
            return {"columns": uniform(*SCALE), "rows": uniform(*SCALE)}
        case "rotate":
            return {"degrees": uniform(*DEGREES)}
