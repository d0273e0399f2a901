"""The rows of the tables at each size of a run."""

from typing import NamedTuple

from benchmarks.works import Distillation, Evaluation, Net, Training

__all__ = ["CIFAR", "LARGE", "PLANS", "TINY_IMAGENET", "Budget", "Plan", "Row", "rows"]


class Plan(NamedTuple):
    """How often a row is timed: until the seconds are spent, within the limits."""

    least: int
    most: int
    seconds: float


PLANS = {"full": Plan(3, 9, 30), "quick": Plan(1, 3, 3), "tiny": Plan(1, 1, 0)}


class Budget(NamedTuple):
    """What a row is asked to reach; None where nothing is."""

    speed: float | None = None
    """PyTorch's median over mttjax's, at least."""
    memory: float | None = None
    """PyTorch's working memory over mttjax's, at least."""


class Row(NamedTuple):
    """A line of the tables."""

    name: str
    """For ``--only``."""
    work: Distillation | Training | Evaluation
    budget: Budget = Budget()


CIFAR = Net((32, 32, 3), 10, 3)
NARROW = Net((32, 32, 3), 10, 3, 64)
CIFAR100 = Net((32, 32, 3), 100, 3)
FASHION = Net((28, 28, 1), 10, 3, 32)
TINY_IMAGENET = Net((64, 64, 3), 200, 4)
LARGE = Net((128, 128, 3), 10, 5)

QUICK = ("distill-ipc1", "distill-ipc10", "expert", "evaluation-ipc1")
"""The rows that a quick run has, shorter: one of each kind of work."""


def rows(size):
    """The rows of a ``full``, ``quick`` or ``tiny`` run."""
    if size == "tiny":
        return tiny_rows()
    quick = size == "quick"

    def s(full, short):
        return short if quick else full

    # How much memory PyTorch needs grows with S: a shorter row has no budget of it.
    budget = lambda speed: Budget(speed, None if quick else 15)
    named = [
        Row("distill-ipc1", Distillation(CIFAR, 1, 10, s(50, 10)), budget(1.5)),
        Row("distill-ipc2", Distillation(CIFAR, 2, 20, 25)),
        Row("distill-ipc10", Distillation(CIFAR, 10, 100, s(10, 2)), budget(2.5)),
        Row("distill-ipc50", Distillation(CIFAR, 50, 100, 5)),
        Row("distill-ipc1-dsa", Distillation(CIFAR, 1, 10, 50, dsa=True), Budget(1.4, 15)),
        Row("distill-ipc2-dsa", Distillation(CIFAR, 2, 20, 25, dsa=True)),
        Row("distill-ipc10-dsa", Distillation(CIFAR, 10, 100, 10, dsa=True)),
        Row("distill-width64", Distillation(NARROW, 5, 50, 10)),
        Row("distill-100-classes", Distillation(CIFAR100, 1, 100, 8)),
        Row("distill-tiny-imagenet", Distillation(TINY_IMAGENET, 1, 200, 2)),
        Row("distill-128px", Distillation(LARGE, 1, 10, 2)),
        Row("expert", Training(CIFAR, 1, s(2048, 512), 256), Budget(1.8)),
        Row("experts", Training(CIFAR, 2, 1024, 512), Budget(2.5)),
        Row("experts-fashion", Training(FASHION, 2, 4096, 512), Budget(2.5)),
        Row("evaluation-ipc1", Evaluation(CIFAR, 1, s(50, 10), s(512, 128)), Budget(2.2)),
        Row("evaluation-ipc10", Evaluation(CIFAR, 10, 10, 512), Budget(2.2)),
        Row("evaluation-3", Evaluation(CIFAR, 1, 100, 512, 3), Budget(2.2)),
    ]
    return [row for row in named if not quick or row.name in QUICK]


def tiny_rows():
    """One row of each kind, in seconds: to try the driver."""
    small = Net((16, 16, 3), 3, 2, 8)
    return [
        Row("distill-ipc1", Distillation(small, 1, 3, 2), Budget(1.3, 10)),
        Row("distill-ipc2-dsa", Distillation(small, 2, 3, 2, dsa=True)),
        Row("experts", Training(small, 2, 32, 16, batch=16), Budget(1.5)),
        Row("evaluation-ipc1", Evaluation(small, 1, 2, 16, networks=2), Budget(2.0)),
    ]
