"""The distillation step: backward through S student steps, then SGD on images and log α."""

import torch
import torch.nn.functional as F
from torch.func import functional_call

from benchmarks.pytorch.augmentation import dsa
from benchmarks.pytorch.drawing import make_generators, sample_batches
from benchmarks.pytorch.network import How

__all__ = ["Distillation", "match_loss"]


def match_loss(
    network,
    images,
    labels,
    log_lr,
    start,
    target,
    batches,
    *,
    augment=None,
    how=How(),  # noqa: B008
):
    """Σ‖θ_S - θ*‖² / Σ‖θ_0 - θ*‖², differentiable in ``images`` and ``log_lr``.

    As ``mttjax.match_loss``, but ``images`` are [N, C, H, W], ``start`` and ``target`` name ->
    tensor, and ``augment`` is ``augment(step, images)``. The network's own parameters are not used.

    Returns:
      (loss [], the student's last cross entropy []).
    """
    params = {name: p.detach() for name, p in start.items()}
    params = {n: how.laid_out(p) if p.ndim == 4 else p for n, p in params.items()}
    params = {name: p.requires_grad_() for name, p in params.items()}
    lr = log_lr.exp()
    for step, batch in enumerate(batches):
        x = images.index_select(0, batch)
        x = how.laid_out(x if augment is None else augment(step, x))
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

    Unlike mttjax's step it moves without asking whether the gradient is finite.

    Args:
      network: a ``ConvNet``.
      images: [N, C, H, W] to begin with, in normalised space.
      labels: [N, K] probabilities.
      settings: an ``mttjax.MTT``.
      how: a ``How``.
      seed: decides minibatches and augmentations.
    """

    def __init__(self, network, images, labels, settings, how, *, seed=0):
        self.network, self.settings, self.how = network, settings, how
        self.generators = make_generators(seed, how.device)
        self.images = images.detach().to(how.device, copy=True).requires_grad_()
        self.labels = labels.to(how.device)
        rate = torch.tensor(settings.lr, dtype=images.dtype, device=how.device)
        self.log_lr = rate.log().requires_grad_()
        groups = [
            {"params": [self.images], "lr": settings.lr_img},
            {"params": [self.log_lr], "lr": settings.lr_lr},
        ]
        self.optimiser = torch.optim.SGD(groups, momentum=settings.momentum)

    def step(self, start, target):
        """One step towards an expert's segment, whose parameters lie on the device.

        Returns:
          (loss [], the student's last cross entropy []), left on the device.
        """
        settings, n = self.settings, len(self.images)
        generator, batch = self.generators.device, settings.batch or n
        batches = sample_batches(generator, n, settings.student_steps, batch)
        augment = (lambda _, x: dsa(self.generators, x, self.how.ops)) if self.how.ops else None
        loss, student_loss = match_loss(
            self.network,
            self.images,
            self.labels,
            self.log_lr,
            start,
            target,
            batches,
            augment=augment,
            how=self.how,
        )
        self.images.grad, grad = torch.autograd.grad(loss, [self.images, self.log_lr])
        if settings.lr_lr_in == "alpha":
            grad = grad / (2 * self.log_lr.detach()).exp()
        self.log_lr.grad = grad
        self.optimiser.step()
        return loss.detach(), student_loss
