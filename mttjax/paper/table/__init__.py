"""The paper's comparison: every method at every size, under one evaluator."""

from mttjax.paper.table.table import Plan, compare

__all__ = ["Plan", "compare"]
