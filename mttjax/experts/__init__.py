"""Networks trained on the real images, a snapshot per epoch: made, kept, and checked.

A store answers for its files; nobody else knows their names. Nothing here knows what the
experts are for.
"""

from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trained, Trainer
from mttjax.experts.training import train_experts
from mttjax.experts.verifying import check_store, is_store

__all__ = ["ExpertStore", "Trained", "Trainer", "check_store", "is_store", "train_experts"]
