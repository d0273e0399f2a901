"""The paper's comparison: every method at every size, under one evaluator."""

from mttjax.paper.table.plan import Plan
from mttjax.paper.table.table import compare

__all__ = ["Plan", "compare"]
