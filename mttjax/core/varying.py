"""Under ``jax.shard_map``: which arrays differ from device to device, kept track of by JAX.

A replicated array that meets a sharded one is first said to vary as the other does
(``lax.pcast``, which computes nothing). Its derivative is then summed over the devices; JAX's
own operations do the same. Outside ``shard_map`` nothing varies, and nothing is done.
"""

from typing import Any

import jax
from jax import lax

__all__ = ["alike", "axes_of", "varying_over"]


def axes_of(*trees: Any) -> frozenset[str]:
    """The mesh axes over which any array, or description of one, of the trees varies."""
    return frozenset().union(*map(_axes, jax.tree.leaves(trees)))


def _axes(leaf):
    described = isinstance(leaf, jax.ShapeDtypeStruct | jax.core.ShapedArray)
    aval = leaf if described else jax.typeof(leaf)
    if hasattr(aval, "vma"):  # until jax 0.9
        return aval.vma or frozenset()
    return aval.manual_axis_type.varying if aval.manual_axis_type else frozenset()


def varying_over(axes: frozenset[str], tree: Any) -> Any:
    """The tree with every array said to vary over ``axes``, beside those it varies over."""

    def cast(leaf):
        missing = tuple(sorted(axes - axes_of(leaf)))
        return lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(cast, tree) if axes else tree


def alike(*trees: Any) -> Any:
    """The trees with all their arrays varying over the same axes."""
    return varying_over(axes_of(trees), trees)
