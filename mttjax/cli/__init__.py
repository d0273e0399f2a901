"""The commands: from the options to the workflows, and errors to messages."""

from mttjax.cli.checking import check
from mttjax.cli.comparing import figure, table
from mttjax.cli.evaluating import evaluate
from mttjax.cli.making import distill, train_experts
from mttjax.cli.showing import demo, export_images

__all__ = [
    "check",
    "demo",
    "distill",
    "evaluate",
    "export_images",
    "figure",
    "table",
    "train_experts",
]
