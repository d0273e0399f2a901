"""The work that is compared, and the rows of the tables at each size of a run."""

from dataclasses import asdict, dataclass

from benchmarks.flops import DISTILLING, TRAINING, flops_per_image
from benchmarks.verdicts import Budget

__all__ = [
    "WORKS",
    "Distillation",
    "Evaluation",
    "Net",
    "Plan",
    "Row",
    "Training",
    "rows",
    "work_from",
]


@dataclass(frozen=True)
class Net:
    """Images and the ConvNet for them."""

    image: tuple[int, int, int]
    classes: int
    depth: int
    width: int = 128

    @property
    def flops(self):
        return flops_per_image(self.depth, self.width, self.image, self.classes)


@dataclass(frozen=True)
class Distillation:
    """One outer step: S student steps, backward through them, images and log α moved."""

    net: Net
    ipc: int
    batch: int
    steps: int
    dsa: bool = False

    unit = "image-steps"

    @property
    def amount(self):
        return self.batch * self.steps

    @property
    def flops(self):
        return DISTILLING * self.amount * self.net.flops


@dataclass(frozen=True)
class Training:
    """One epoch and one test of so many experts, with DSA."""

    net: Net
    experts: int
    images: int
    tests: int
    batch: int = 256

    unit = "images"

    @property
    def amount(self):
        return self.experts * self.images

    @property
    def flops(self):
        return self.experts * (TRAINING * self.images + self.tests) * self.net.flops


@dataclass(frozen=True)
class Evaluation:
    """So many fresh networks trained on a distilled set with DSA, and tested once."""

    net: Net
    ipc: int
    epochs: int
    tests: int
    networks: int = 5

    unit = "images"

    @property
    def amount(self):
        return self.networks * self.epochs * self.ipc * self.net.classes

    @property
    def flops(self):
        return (TRAINING * self.amount + self.networks * self.tests) * self.net.flops


WORKS = {work.__name__: work for work in (Distillation, Training, Evaluation)}


def work_from(kind, fields):
    """The inverse of ``type(work).__name__, asdict(work)``, also after a way through JSON."""
    net = Net(**fields["net"] | {"image": tuple(fields["net"]["image"])})
    return WORKS[kind](**fields | {"net": net})


@dataclass(frozen=True)
class Plan:
    """How often a row is timed: until the seconds are spent, within the limits."""

    least: int
    most: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """A line of the tables."""

    name: str
    """For ``--only``."""
    title: str
    work: Distillation | Training | Evaluation
    budget: Budget = Budget()

    def request(self):
        """The work as JSON; see ``work_from``."""
        return {"kind": type(self.work).__name__, "work": asdict(self.work)}


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
    return [
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


def tiny_rows():
    """One row of each kind, in seconds: to try the driver."""
    small = Net((16, 16, 3), 3, 2, 8)
    return [
        distillation("ipc1", small, 1, 3, 2, budget=Budget(1.3, 10, 1.5)),
        distillation("ipc2-dsa", small, 2, 3, 2, dsa=True),
        training("experts", small, 32, 16, batch=16),
        evaluation("evaluation-ipc1", small, 1, 2, 16, networks=2),
    ]


def distillation(name, net, ipc, batch, steps, *, dsa=False, budget=Budget()):  # noqa: B008
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
