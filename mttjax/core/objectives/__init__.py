"""What the methods minimise."""

from mttjax.core.objectives.distribution import feature_alignment_loss, mean_feature_loss
from mttjax.core.objectives.gradient import gradient_distance, gradient_match_loss
from mttjax.core.objectives.meta import TerminalAux, terminal_loss
from mttjax.core.objectives.trajectory import MatchAux, match_loss

__all__ = [
    "MatchAux",
    "TerminalAux",
    "feature_alignment_loss",
    "gradient_distance",
    "gradient_match_loss",
    "match_loss",
    "mean_feature_loss",
    "terminal_loss",
]
