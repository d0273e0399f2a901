"""Budgets, and whether a measurement keeps them."""

from dataclasses import dataclass

__all__ = ["NO_BUDGET", "Budget", "at_least", "at_most"]


@dataclass(frozen=True)
class Budget:
    """What a row is asked to reach; None where nothing is."""

    speed: float | None = None
    """PyTorch's median over mttjax's, at least."""
    memory: float | None = None
    """PyTorch's working memory over mttjax's, at least."""
    floor: float | None = None
    """mttjax's median over the floor, at most."""


NO_BUDGET = Budget()


def times(value):
    return f"{value:.2f}x"


def at_least(value, budget, text=times):
    """``met``, or by how much a value that should be large enough is not.

    Args:
      value: None where it could not be measured.
      budget: None where there is none; the verdict is then empty.
      text: how the two are written.
    """
    return _verdict(value, budget, text, value is not None and value >= (budget or 0))


def at_most(value, budget, text=times):
    """``met``, or by how much a value that should be small enough is not; see ``at_least``."""
    return _verdict(value, budget, text, value is not None and value <= (budget or 0))


def _verdict(value, budget, text, met):
    if budget is None:
        return ""
    if value is None:
        return f"not measured (budget {text(budget)})"
    if met:
        return f"met ({text(value)}, budget {text(budget)})"
    return f"not met ({text(value)} of {text(budget)})"
