"""The rows of the tables at each size of a run."""

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.works import Distillation, Evaluation, Net, Training

__all__ = ["CIFAR", "PLANS", "Budget", "Plan", "Row", "accelerator_rows", "distillation", "rows"]


@dataclass(frozen=True)
class Plan:
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


@dataclass(frozen=True)
class Budget:
    """What a row is asked to reach; None where nothing is."""

    speed: float | None = None
    """PyTorch's median over mttjax's, at least."""
    memory: float | None = None
    """PyTorch's working memory over mttjax's, at least."""
    floor: float | None = None
    """mttjax's median over the floor, at most."""


@dataclass(frozen=True)
class Row:
    """A line of the tables."""

    name: str
    """For ``--only``."""
    title: str
    work: Distillation | Training | Evaluation
    budget: Budget
    options: dict[str, Any] = field(default_factory=dict)
    """Of both workers."""


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
    memory = (lambda _: None) if quick else (lambda factor: factor)
    at_64 = 20 if quick else 200
    named = [
        distillation("ipc1", CIFAR, 1, 10, s(50, 10), budget=Budget(1.3, memory(10), 1.5)),
        distillation("ipc10", CIFAR, 10, 100, s(10, 2), budget=Budget(2.0, memory(5), 1.5)),
        distillation("ipc50", CIFAR, 50, 100, s(5, 1), budget=Budget(floor=1.5)),
        distillation("ipc1-dsa", CIFAR, 1, 10, s(50, 10), dsa=True),
        distillation("ipc10-dsa", CIFAR, 10, 100, s(10, 2), dsa=True),
        distillation("tiny-imagenet", TINY_IMAGENET, 1, at_64, s(2, 1)),
        distillation("128px", LARGE, 1, 10, s(2, 1)),
        training("experts", CIFAR, s(1024, 512), s(512, 256)),
        training("experts-fashion", FASHION, s(4096, 1024), s(512, 256)),
        evaluation("evaluation-ipc1", CIFAR, 1, s(50, 10), s(512, 128)),
        evaluation("evaluation-ipc10", CIFAR, 10, s(10, 2), s(512, 128)),
    ]
    return [row for row in named if not (quick and row.name == "distill-ipc10-dsa")]


def tiny_rows():
    """One row of each kind, in seconds: to try the driver."""
    small = Net((16, 16, 3), 3, 2, 8)
    return [
        distillation("ipc1", small, 1, 3, 2, budget=Budget(1.3, 10, 1.5)),
        distillation("ipc2-dsa", small, 2, 3, 2, dsa=True),
        training("experts", small, 32, 16, batch=16),
        evaluation("evaluation-ipc1", small, 1, 2, 16, networks=2),
    ]


def accelerator_rows(size, device, precisions):
    """The rows for a machine with one accelerator, at each precision; the tiny ones anywhere."""
    named = tiny_rows()
    if size != "tiny":
        named = [
            distillation("ipc1", CIFAR, 1, 10, 50, budget=Budget(5.0)),
            distillation("ipc10", CIFAR, 10, 100, 30, budget=Budget(3.0)),
            distillation("ipc50", CIFAR, 50, 100, 30),
            distillation("tiny-imagenet", TINY_IMAGENET, 10, 200, 10),
            distillation("128px", LARGE, 10, 50, 10),
            training("experts", CIFAR, 50_000, 10_000, experts=10, speed=5.0),
            evaluation("evaluation-ipc1", CIFAR, 1, 300, 10_000, speed=None),
            evaluation("evaluation-ipc10", CIFAR, 10, 300, 10_000, speed=None),
        ]
    return [
        replace(
            row,
            name=f"{row.name}-{precision}",
            title=f"{row.title}, {precision} products",
            options={"device": device, "precision": precision},
        )
        for precision in precisions
        for row in named
    ]


def distillation(name, net, ipc, batch, steps, *, dsa=False, budget=Budget()):
    title = (
        f"distillation step, {pixels(net)}, IPC {ipc} (N = {ipc * net.classes}, B = {batch}, "
        f"S = {steps}){', DSA' if dsa else ''}"
    )
    return Row(f"distill-{name}", title, Distillation(net, ipc, batch, steps, dsa), budget)


def training(name, net, images, tests, *, experts=2, batch=256, speed=1.5):
    title = (
        f"{experts} experts × 1 epoch of {images} images {pixels(net)}, width {net.width}, "
        f"batch {batch}, DSA; test on {tests}"
    )
    return Row(name, title, Training(net, experts, images, tests, batch), Budget(speed))


def evaluation(name, net, ipc, epochs, tests, *, networks=5, speed=2.0):
    title = (
        f"evaluation of {networks} networks, {pixels(net)}, IPC {ipc}, {epochs} epochs, DSA; "
        f"test on {tests}"
    )
    return Row(name, title, Evaluation(net, ipc, epochs, tests, networks), Budget(speed))


def pixels(net):
    return "×".join(map(str, net.image))
