"""The rows of the tables at each size of a run."""

from typing import NamedTuple

from benchmarks.works import Distillation, Evaluation, Net, Training

__all__ = ["CIFAR", "PLANS", "Budget", "Plan", "Row", "accelerator_rows", "rows"]


class Plan(NamedTuple):
    """How often a row is timed: until the seconds are spent, within the limits."""

    least: int
    most: int
    seconds: float


PLANS = {
    "full": Plan(3, 9, 45),
    "quick": Plan(1, 3, 5),
    "tiny": Plan(1, 1, 0),
    "accelerator": Plan(5, 30, 20),
}


class Budget(NamedTuple):
    """What a row is asked to reach; None where nothing is."""

    speed: float | None = None
    """PyTorch's median over mttjax's, at least."""
    memory: float | None = None
    """PyTorch's working memory over mttjax's, at least."""
    floor: float | None = None
    """mttjax's median over the floor, at most."""


class Row(NamedTuple):
    """A line of the tables."""

    name: str
    """For ``--only``."""
    work: Distillation | Training | Evaluation
    budget: Budget = Budget()
    device: str = "cpu"
    products: str = ""
    """The precision of matrix products, ``float32`` or ``TF32``; none: the device's own."""

    @property
    def title(self):
        return self.work.title + (f", {self.products} products" if self.products else "")

    @property
    def options(self):
        """Of both workers."""
        return {"device": self.device} | ({"precision": self.products} if self.products else {})


CIFAR = Net((32, 32, 3), 10, 3)
FASHION = Net((28, 28, 1), 10, 3, 32)
TINY_IMAGENET = Net((64, 64, 3), 200, 4)
LARGE = Net((128, 128, 3), 10, 5)


def rows(size):
    """The rows of a ``full``, ``quick`` or ``tiny`` run."""
    if size == "tiny":
        return tiny_rows()
    quick = size == "quick"

    def s(full, short):
        return short if quick else full

    # How much memory PyTorch needs grows with S: a shorter row has no budget of it.
    budget = lambda speed, memory: Budget(speed, None if quick else memory, 1.5)
    named = [
        Row("distill-ipc1", Distillation(CIFAR, 1, 10, s(50, 10)), budget(1.3, 10)),
        Row("distill-ipc10", Distillation(CIFAR, 10, 100, s(10, 2)), budget(2.0, 5)),
        Row("distill-ipc50", Distillation(CIFAR, 50, 100, s(5, 1)), Budget(floor=1.5)),
        Row("distill-ipc1-dsa", Distillation(CIFAR, 1, 10, s(50, 10), dsa=True)),
        Row("distill-ipc10-dsa", Distillation(CIFAR, 10, 100, s(10, 2), dsa=True)),
        Row("distill-tiny-imagenet", Distillation(TINY_IMAGENET, 1, s(200, 20), s(2, 1))),
        Row("distill-128px", Distillation(LARGE, 1, 10, s(2, 1))),
        Row("experts", Training(CIFAR, 2, s(1024, 512), s(512, 256)), Budget(1.5)),
        Row("experts-fashion", Training(FASHION, 2, s(4096, 1024), s(512, 256)), Budget(1.5)),
        Row("evaluation-ipc1", Evaluation(CIFAR, 1, s(50, 10), s(512, 128)), Budget(2.0)),
        Row("evaluation-ipc10", Evaluation(CIFAR, 10, s(10, 2), s(512, 128)), Budget(2.0)),
    ]
    return [row for row in named if not (quick and row.name == "distill-ipc10-dsa")]


def tiny_rows():
    """One row of each kind, in seconds: to try the driver."""
    small = Net((16, 16, 3), 3, 2, 8)
    return [
        Row("distill-ipc1", Distillation(small, 1, 3, 2), Budget(1.3, 10, 1.5)),
        Row("distill-ipc2-dsa", Distillation(small, 2, 3, 2, dsa=True)),
        Row("experts", Training(small, 2, 32, 16, batch=16), Budget(1.5)),
        Row("evaluation-ipc1", Evaluation(small, 1, 2, 16, networks=2), Budget(2.0)),
    ]


def accelerator_rows(size, device, products):
    """The rows for a machine with one accelerator, for each kind of ``products``."""
    named = [
        Row("distill-ipc1", Distillation(CIFAR, 1, 10, 50), Budget(5.0)),
        Row("distill-ipc10", Distillation(CIFAR, 10, 100, 30), Budget(3.0)),
        Row("distill-ipc50", Distillation(CIFAR, 50, 100, 30)),
        Row("distill-tiny-imagenet", Distillation(TINY_IMAGENET, 10, 200, 10)),
        Row("distill-128px", Distillation(LARGE, 10, 50, 10)),
        Row("experts", Training(CIFAR, 10, 50_000, 10_000), Budget(5.0)),
        Row("evaluation-ipc1", Evaluation(CIFAR, 1, 300, 10_000)),
        Row("evaluation-ipc10", Evaluation(CIFAR, 10, 300, 10_000)),
    ]
    return [
        row._replace(name=f"{row.name}-{kind}", device=device, products=kind)
        for kind in products
        for row in (tiny_rows() if size == "tiny" else named)
    ]
