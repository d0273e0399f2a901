"""The paper's comparison: every method at every size, under one evaluator."""

from mttjax.comparison.comparing import Plan, compare

__all__ = ["Plan", "compare"]
