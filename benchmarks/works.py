"""The pieces of work that are compared: what is done, how much of it, how many operations."""

from dataclasses import asdict, dataclass, replace

from benchmarks.flops import DISTILLING, TRAINING, flops_per_image

__all__ = ["WORKS", "Distillation", "Evaluation", "Net", "Training", "request", "work_from"]


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

    def short(self):
        """The same kind of work in a moment, for a library to load what it loads late."""
        return replace(self, steps=1)


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

    def short(self):
        """See ``Distillation.short``."""
        return replace(self, experts=1, images=self.batch, tests=1)


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

    def short(self):
        """See ``Distillation.short``."""
        return replace(self, networks=1, epochs=1, tests=1)


def request(work):
    """A work as JSON; see ``work_from``."""
    return {"kind": type(work).__name__, "work": asdict(work)}


WORKS = {work.__name__: work for work in (Distillation, Training, Evaluation)}


def work_from(kind, fields):
    """The inverse of ``request``, also after a way through JSON."""
    net = Net(**fields["net"] | {"image": tuple(fields["net"]["image"])})
    return WORKS[kind](**fields | {"net": net})
