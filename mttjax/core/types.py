"""What the signatures of this room are written in."""

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["Apply", "Augment", "Params"]

Params = Any
"""A pytree of floating arrays, such as a network's parameters."""
Apply = Callable[[Params, jax.Array], jax.Array]
"""``apply(params, images [B, H, W, C]) -> logits [B, K]``."""
Augment = Callable[[jax.Array, jax.Array], jax.Array]
"""``augment(key, images [B, H, W, C]) -> images`` of the same shape."""
