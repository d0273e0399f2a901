"""Budgets, and whether a measurement keeps them."""

from dataclasses import dataclass

__all__ = ["Budget", "at_least", "at_most"]


@dataclass(frozen=True)
class Budget:
    """What a row is asked to reach; None where nothing is."""

    speed: float | None = None
    """PyTorch's median over mttjax's, at least."""
    memory: float | None = None
    """PyTorch's working memory over mttjax's, at least."""
    floor: float | None = None
    """mttjax's median over the floor, at most."""


def at_least(value, budget):
    """``met``, or by how much a value that should be large enough is not."""
    return _verdict(value, budget, value is not None and value >= (budget or 0))


def at_most(value, budget):
    """``met``, or by how much a value that should be small enough is not."""
    return _verdict(value, budget, value is not None and value <= (budget or 0))


def _verdict(value, budget, met):
    if budget is None:
        return ""
    if value is None:
        return f"not measured (budget {_times(budget)})"
    if met:
        return f"met ({_times(value)}, budget {_times(budget)})"
    return f"not met ({_times(value)} of {_times(budget)})"


def _times(value):
    # Two decimals where one would make a value that misses its budget look equal to it.
    return f"{value:.2f}x"
