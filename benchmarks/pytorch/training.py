"""Training and testing a network on images that lie on the device; an expert's epochs.

Within an epoch nothing waits for the device.
"""

import torch
import torch.nn.functional as F

from benchmarks.pytorch.augmentation import dsa
from benchmarks.pytorch.drawing import make_generators, permutations
from benchmarks.pytorch.network import memory_format

__all__ = ["Expert", "accuracy", "nchw", "standardise", "train_epoch"]


def nchw(images, device="cpu"):
    """[n, H, W, C] of numpy -> [n, C, H, W] on the device, of the same dtype."""
    return torch.tensor(images).permute(0, 3, 1, 2).contiguous().to(device)


def standardise(mean, std, device="cpu"):
    """(x / 255 - mean) / std per channel, as ``prepare(images [B, C, H, W] uint8)``."""
    mean, std = (torch.as_tensor(s, device=device).view(-1, 1, 1) for s in (mean, std))
    scale, shift = 1 / (255 * std), -mean / std
    return lambda images: images * scale + shift


def _as_they_are(images):
    return images


def train_epoch(
    network,
    optimiser,
    images,
    labels,
    generators,
    *,
    batch=256,
    ops=(),
    prepare=_as_they_are,
    channels_last=False,
):
    """One shuffled pass; the last partial batch is kept.

    Args:
      network: a module with its parameters.
      optimiser: of these parameters.
      images: [n, C, H, W], what ``prepare`` takes.
      labels: [n] integers or [n, K] probabilities.
      generators: order, operations and their parameters.
      batch: B.
      ops: the operations of DSA; empty for none.
      prepare: normalises a batch.
      channels_last: the memory format of a batch.

    Returns:
      The mean loss [], on the device.
    """
    total = torch.zeros((), device=images.device)
    order = permutations(generators.device, 1, len(images))[0]
    for indices in order.split(batch):
        x = dsa(generators, prepare(images.index_select(0, indices)), ops)
        x = x.contiguous(memory_format=memory_format(channels_last))
        loss = F.cross_entropy(network(x), labels.index_select(0, indices))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(indices)
    return total / len(images)


@torch.no_grad()
def accuracy(network, images, labels, *, prepare, chunk=1000, channels_last=False):
    """The fraction [] of images classified correctly, on the device."""
    correct = torch.zeros((), dtype=torch.long, device=images.device)
    for pixels, y in zip(images.split(chunk), labels.split(chunk), strict=True):
        x = prepare(pixels).contiguous(memory_format=memory_format(channels_last))
        correct += (network(x).argmax(1) == y).sum()
    return correct / len(images)


class Expert:
    """A network that is trained on real images by plain SGD, epoch by epoch.

    Args:
      network: a freshly initialised ``ConvNet``.
      train: (images [n, C, H, W] uint8, labels [n]).
      test: the same.
      prepare: such as ``standardise`` returns.
      ops: the operations of DSA; empty for none.
      lr: the rate.
      batch: B.
      channels_last: the memory format.
      seed: decides order and augmentations.
      device: ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        network,
        train,
        test,
        prepare,
        *,
        ops=(),
        lr=0.01,
        batch=256,
        channels_last=False,
        seed=0,
        device="cpu",
    ):
        self.network = network.to(device, memory_format=memory_format(channels_last))
        self.train, self.test = (tuple(x.to(device) for x in data) for data in (train, test))
        self.generators = make_generators(seed, device)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=lr, fused=True)
        self.settings = {"prepare": prepare, "channels_last": channels_last}
        self.ops, self.batch = tuple(ops), batch

    def epoch(self):
        """One epoch and one test: (mean loss [], test accuracy []), on the device."""
        loss = train_epoch(
            self.network,
            self.optimiser,
            *self.train,
            self.generators,
            batch=self.batch,
            ops=self.ops,
            **self.settings,
        )
        return loss, accuracy(self.network, *self.test, **self.settings)
