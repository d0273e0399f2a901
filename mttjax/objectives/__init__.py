"""What a distillation minimises."""

from mttjax.objectives.trajectory import MatchAux, match_loss

__all__ = ["MatchAux", "match_loss"]
