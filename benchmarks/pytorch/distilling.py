"""The distillation step: backward through S student steps, then SGD on images and log α."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch.func import functional_call

from benchmarks.pytorch.augmentation import dsa
from benchmarks.pytorch.drawing import make_generators, sample_batches
from benchmarks.pytorch.network import in_memory_format, memory_format

__all__ = ["Distillation", "Matching", "match_loss"]


@dataclass(frozen=True)
class Matching:
    """What is matched, and how images and rate move; as in ``mttjax.outer_step``."""

    student_steps: int = 30
    batch: int | None = None
    lr_img: float = 100.0
    lr_lr: float = 0.1
    lr_lr_in: Literal["log", "alpha"] = "log"
    lr: float = 0.01
    momentum: float = 0.5


def match_loss(
    network, images, labels, log_lr, start, target, batches, *, augment=None, channels_last=False
):
    """Σ‖θ_S - θ*‖² / Σ‖θ_0 - θ*‖², differentiable in ``images`` and ``log_lr``.

    Args:
      network: a ``ConvNet``; its own parameters are not used.
      images: [N, C, H, W].
      labels: [N, K] probabilities.
      log_lr: [].
      start: θ_0, name -> tensor.
      target: θ*, the same.
      batches: [S, B] indices, on the device of the images.
      augment: ``augment(step, images) -> images``, or None.
      channels_last: the memory format of images and kernels within the student.

    Returns:
      (loss [], the student's last cross entropy []).
    """
    params = in_memory_format(start, channels_last)
    lr = log_lr.exp()
    for step, batch in enumerate(batches):
        x = images.index_select(0, batch)
        if augment is not None:
            x = augment(step, x)
        x = x.contiguous(memory_format=memory_format(channels_last))
        logits = functional_call(network, params, (x,))
        student_loss = F.cross_entropy(logits, labels.index_select(0, batch))
        grads = torch.autograd.grad(student_loss, list(params.values()), create_graph=True)
        params = {n: p - lr * g for (n, p), g in zip(params.items(), grads, strict=True)}
    with torch.no_grad():
        start_distance = _squared_distance(start, target)
    return _squared_distance(params, target) / start_distance, student_loss.detach()


def _squared_distance(a, b):
    return sum(F.mse_loss(a[name], b[name], reduction="sum") for name in a)


class Distillation:
    """Synthetic images and log α, and their optimiser.

    Unlike ``mttjax.outer_step`` it moves without asking whether the gradient is finite.

    Args:
      network: a ``ConvNet``.
      images: [N, C, H, W] to begin with, in normalised space.
      labels: [N, K] probabilities.
      settings: a ``Matching``.
      ops: the operations of DSA; empty for none.
      channels_last: see ``match_loss``.
      seed: decides minibatches and augmentations.
      device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        network,
        images,
        labels,
        settings,
        *,
        ops=(),
        channels_last=False,
        seed=0,
        device="cpu",
    ):
        self.network, self.settings, self.ops = network, settings, tuple(ops)
        self.channels_last = channels_last
        self.generators = make_generators(seed, device)
        self.images = images.detach().to(device, copy=True).requires_grad_()
        self.labels = labels.to(device)
        rate = torch.tensor(settings.lr, dtype=images.dtype, device=device)
        self.log_lr = rate.log().requires_grad_()
        groups = [
            {"params": [self.images], "lr": settings.lr_img},
            {"params": [self.log_lr], "lr": settings.lr_lr},
        ]
        self.optimiser = torch.optim.SGD(groups, momentum=settings.momentum)

    def step(self, start, target, batches=None):
        """One step towards an expert's segment, whose parameters lie on the device.

        Returns:
          (loss [], the student's last cross entropy []), left on the device.
        """
        settings = self.settings
        if batches is None:
            n = len(self.images)
            batches = sample_batches(
                self.generators.device, n, settings.student_steps, settings.batch or n
            )
        loss, student_loss = match_loss(
            self.network,
            self.images,
            self.labels,
            self.log_lr,
            start,
            target,
            batches,
            augment=(lambda _, x: dsa(self.generators, x, self.ops)) if self.ops else None,
            channels_last=self.channels_last,
        )
        self.images.grad, grad = torch.autograd.grad(loss, [self.images, self.log_lr])
        if settings.lr_lr_in == "alpha":
            grad = grad / (2 * self.log_lr.detach()).exp()
        self.log_lr.grad = grad
        self.optimiser.step()
        return loss.detach(), student_loss
