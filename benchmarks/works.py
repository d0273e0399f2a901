"""The pieces of work that a side is asked to do, and the random data that they are done on.

Counted are the operations that the work cannot do without, those of the convolutions and the
linear layer, a multiplication and an addition as two. One forward pass of an image is F.
"""

from dataclasses import dataclass

import numpy as np

from mttjax.config.methods import MTT

DSA = ("color", "crop", "cutout", "flip", "scale", "rotate")
LR = 0.01


@dataclass(frozen=True)
class Net:
    """Images (H, W, C) and the ConvNet for them."""

    image: tuple[int, int, int]
    classes: int
    depth: int
    width: int = 128

    @property
    def flops(self):
        """F."""
        height, broad, channels = self.image
        if self.image == (28, 28, 1):  # padded by 3, so that every pool halves evenly
            height, broad = 32, 32
        total = 0
        for _ in range(self.depth):
            total += 2 * 9 * channels * self.width * height * broad
            height, broad, channels = height // 2, broad // 2, self.width
        return total + 2 * height * broad * self.width * self.classes

    @property
    def pixels(self):
        return "×".join(map(str, self.image))


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
    def title(self):
        n, dsa = self.ipc * self.net.classes, ", DSA" if self.dsa else ""
        which = f"N = {n}, B = {self.batch}, S = {self.steps}"
        net = self.net.pixels + (f", width {self.net.width}" if self.net.width != 128 else "")
        return f"distillation step, {net}, IPC {self.ipc} ({which}){dsa}"

    @property
    def amount(self):
        return self.batch * self.steps

    @property
    def flops(self):
        """A step and its exact derivative with the step computed again: 3F and 8F."""
        return 11 * self.amount * self.net.flops


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
    def title(self):
        who = "1 expert" if self.experts == 1 else f"{self.experts} experts"
        return (
            f"{who} × 1 epoch of {self.images} images {self.net.pixels}, width {self.net.width}, "
            f"batch {self.batch}, DSA; test on {self.tests}"
        )

    @property
    def amount(self):
        return self.experts * self.images

    @property
    def flops(self):
        """F for the output, F each for the gradients of input and weights."""
        return self.experts * (3 * self.images + self.tests) * self.net.flops


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
    def title(self):
        return (
            f"evaluation of {self.networks} networks, {self.net.pixels}, IPC {self.ipc}, "
            f"{self.epochs} epochs, DSA; test on {self.tests}"
        )

    @property
    def amount(self):
        return self.networks * self.epochs * self.ipc * self.net.classes

    @property
    def flops(self):
        return (3 * self.amount + self.networks * self.tests) * self.net.flops


@dataclass(frozen=True)
class Agreement:
    """The loss and gradient of both sides, with ``ops`` of DSA drawn from so many ``seeds``."""

    ops: tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class HostWork:
    """``steps`` of the loop on the digits, and of the compiled step alone; fewer ``experts``."""

    steps: int
    experts: int | None = None


@dataclass(frozen=True)
class Convolution:
    """``count`` times each product of one 3×3 convolution; ``slow_count`` where it is slow."""

    batch: int = 10
    side: int = 16
    channels: int = 128
    count: int = 20
    slow_count: int = 2

    @property
    def flops(self):
        return 2 * 9 * self.channels**2 * self.side**2 * self.batch


@dataclass(frozen=True)
class Matrix:
    """``count`` times a square product."""

    size: int
    count: int = 15


def real(net, n, seed):
    """(images [n, H, W, C] uint8, labels [n] int32)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, *net.image), np.uint8)
    return images, rng.integers(0, net.classes, n).astype(np.int32)


def distilled(net, ipc):
    """(images [N, H, W, C], labels [N, K]), both float32, class by class."""
    labels = np.repeat(np.eye(net.classes, dtype=np.float32), ipc, axis=0)
    images = np.random.default_rng(0).standard_normal((len(labels), *net.image), np.float32)
    return images, labels


def matching(work, derivative="mixed"):
    """How the images of a ``Distillation`` move."""
    rates = {"lr_img": 1.0, "lr_lr": 1e-3, "lr": LR}
    return MTT(student_steps=work.steps, batch=work.batch, derivative=derivative, **rates)
