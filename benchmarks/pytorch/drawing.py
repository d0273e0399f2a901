"""The random choices of DSA, with the ranges of ``mttjax.augmentation``, and minibatches.

Nothing here waits for the device: only which operation it is, is drawn on the host.
"""

import math
import random
from typing import NamedTuple

import torch

__all__ = ["Generators", "draw", "make_generators", "permutations", "sample_batches"]

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


def draw(generator, op, batch, height, width, device):
    """The parameters of an operation, one number per image.

    Args:
      generator: a ``torch.Generator`` of the device.
      op: a name out of ``color crop cutout flip scale rotate``.
      batch: B.
      height: H.
      width: W.
      device: where the parameters are to lie.

    Returns:
      name -> [B], the names that ``apply_operation`` expects for this operation.
    """

    def uniform(low, high):
        return torch.empty(batch, device=device).uniform_(low, high, generator=generator)

    def integers(low, high):
        return torch.randint(low, high, (batch,), generator=generator, device=device)

    return _DRAWS[op](uniform, integers, height, width)


def _color(uniform, _integers, _height, _width):
    return {name: uniform(*limits) for name, limits in COLOR.items()}


def _crop(_uniform, integers, height, width):
    down, right = crop_reach(height), crop_reach(width)
    return {"rows": integers(-down, down + 1), "columns": integers(-right, right + 1)}


def _cutout(_uniform, integers, height, width):
    def first(side):
        size = cutout_size(side)
        # An even square has its centre between pixels: one more position.
        return integers(0, side + 1 - size % 2) - size // 2

    return {"first_row": first(height), "first_column": first(width)}


def _flip(_uniform, integers, _height, _width):
    return {"flipped": integers(0, 2).bool()}


def _scale(uniform, _integers, _height, _width):
    return {"rows": uniform(*SCALE), "columns": uniform(*SCALE)}


def _rotate(uniform, _integers, _height, _width):
    return {"degrees": uniform(*DEGREES)}


_DRAWS = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}
