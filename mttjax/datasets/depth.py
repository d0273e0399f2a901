"""Pixels of 16 bits as those of 8, which is what images are kept in."""

import numpy as np

__all__ = ["bits_of", "to_eight_bits"]


def bits_of(largest: int) -> int:
    """How many bits values up to ``largest`` use, at least 8: cameras give 10, 12 or 14 of 16."""
    return max(8, int(largest).bit_length())


def to_eight_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    """uint8 of unsigned integers: 2^bits - 1, and what is above it, becomes 255, rounded."""
    most = 2**bits - 1
    table = np.rint(np.arange(most + 1) * (255 / most)).astype(np.uint8)
    return table[np.minimum(pixels, most)]
