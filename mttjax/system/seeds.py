"""One seed, many streams: what decides each thing that is drawn, by name.

Every stream is its own sequence: no two of them, and no two places of one of them, begin with the
same numbers. A stream is added here before anything draws from it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import jax

__all__ = ["STREAMS", "key", "rng"]

STREAMS = {
    "validation_split": "which training images selection is done on",
    "test_split": "which images of a folder without a test set become one",
    "initial_images": "[ipc] what the synthetic images are before the first step",
    "random_images": "[ipc] real images chosen by chance: the baseline, and the method Random",
    "pairs": "[step] the expert and the epoch that a step of MTT matches",
    "real_batches": "[step] the real images that a step looks at",
    "outer_steps": "the root of the keys of all steps, of a method and its students",
    "first_network": "the network that a method begins with, where it keeps one",
    "experts": "[expert] an expert's initialisation, orders and augmentations",
    "evaluation": "the networks that are trained on a set",
    "test_order": "the order in which a network that looks at batches is tested",
    "full_data": "[network] the networks that are trained on all real images",
    "forgetting": "[ipc] which of the images that were forgotten equally often are taken",
    "forgetting_networks": "[network] the networks whose forgetting is counted",
    "distance": "[expert, start, data] the orders and augmentations of the figure of distances",
}
"""name -> what is drawn from it; in brackets the places that it is asked for at."""


def rng(stream: str, seed: int, *at: int) -> np.random.Generator:
    """The NumPy generator of a stream.

    Args:
      stream: a name in ``STREAMS``.
      seed: of the run, 0 to 2**32 - 1.
      at: the place in the stream, whole numbers from 0, such as the number of a step.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_number(stream), *at)))


def key(stream: str, seed: int, *at: int) -> jax.Array:
    """The JAX random key of a stream; the arguments are those of ``rng``."""
    import jax  # where no key is drawn, as for data sets, JAX need not be there

    found = jax.random.key(seed)
    for number in (_number(stream), *at):
        found = jax.random.fold_in(found, number)
    return found


def _number(stream):
    if stream not in STREAMS:
        raise ValueError(f"{stream!r} is no random stream; there are {', '.join(STREAMS)}")
    return zlib.crc32(stream.encode())
