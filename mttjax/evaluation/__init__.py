"""How good a set is: fresh networks trained on it, tested on real images.

Nothing here knows how a set is made, or of the folder of a run.
"""

from mttjax.evaluation.evaluator import Evaluator
from mttjax.evaluation.own_way import evaluate_own_way
from mttjax.evaluation.scorer import Scorer, evaluate, require_same_data
from mttjax.evaluation.sets import (
    Results,
    Row,
    evaluate_sets,
    load_sets,
    random_real_set,
    real_data_of,
)
from mttjax.evaluation.testing import Evaluation

__all__ = [
    "Evaluation",
    "Evaluator",
    "Results",
    "Row",
    "Scorer",
    "evaluate",
    "evaluate_own_way",
    "evaluate_sets",
    "load_sets",
    "random_real_set",
    "real_data_of",
    "require_same_data",
]
