"""Training and testing networks on images that lie on the device: experts, and on a set.

Within an epoch nothing waits for the device.
"""

import torch
import torch.nn.functional as F

from benchmarks.pytorch.augmentation import dsa
from benchmarks.pytorch.drawing import make_generators, permutations

__all__ = ["Expert", "accuracy", "evaluate", "standardise", "train_epoch", "train_network"]


def standardise(mean, std, device="cpu"):
    """(x / 255 - mean) / std per channel, as ``prepare(images [B, C, H, W] uint8)``."""
    mean, std = (torch.as_tensor(s, device=device).view(-1, 1, 1) for s in (mean, std))
    scale, shift = 1 / (255 * std), -mean / std
    return lambda images: images * scale + shift


def train_epoch(network, optimiser, images, labels, generators, how, *, batch, prepare=None):
    """One shuffled pass over images [n, C, H, W]; the last partial batch is kept.

    Labels are [n] integers or [n, K] probabilities; ``prepare`` normalises a batch, or is None.

    Returns:
      The mean loss [], on the device.
    """
    total = torch.zeros((), device=images.device)
    order = permutations(generators.device, 1, len(images))[0]
    for indices in order.split(batch):
        x = images.index_select(0, indices)
        x = how.laid_out(dsa(generators, prepare(x) if prepare else x, how.ops))
        loss = F.cross_entropy(network(x), labels.index_select(0, indices))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(indices)
    return total / len(images)


@torch.no_grad()
def accuracy(network, images, labels, prepare, how, *, chunk=1000):
    """The fraction [] of images classified correctly, on the device."""
    correct = torch.zeros((), dtype=torch.long, device=images.device)
    for pixels, y in zip(images.split(chunk), labels.split(chunk), strict=True):
        correct += (network(how.laid_out(prepare(pixels))).argmax(1) == y).sum()
    return correct / len(images)


class Expert:
    """A network that is trained on real images by plain SGD, epoch by epoch.

    ``train`` and ``test`` are (images [n, C, H, W] uint8, labels [n]).
    """

    def __init__(self, network, train, test, prepare, how, *, lr=0.01, batch=256, seed=0):
        self.network = network.to(how.device, memory_format=how.memory_format)
        self.data, self.test = (tuple(x.to(how.device) for x in data) for data in (train, test))
        self.generators = make_generators(seed, how.device)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=lr, fused=True)
        self.prepare, self.how, self.batch = prepare, how, batch

    def epoch(self):
        """One epoch and one test: (mean loss [], test accuracy []), on the device."""
        loss = train_epoch(
            self.network,
            self.optimiser,
            *self.data,
            self.generators,
            self.how,
            batch=self.batch,
            prepare=self.prepare,
        )
        return loss, accuracy(self.network, *self.test, self.prepare, self.how)


def train_network(network, images, labels, lr, generators, protocol, how):
    """Trains one network on a distilled set; tenfold smaller rate, fresh momentum half way."""
    drop = protocol.epochs // 2 + 2
    for epoch in range(protocol.epochs):
        if epoch in (0, drop):
            optimiser = torch.optim.SGD(
                network.parameters(),
                lr=lr if epoch == 0 else 0.1 * lr,
                fused=True,
                momentum=protocol.momentum,
                weight_decay=protocol.weight_decay,
            )
        train_epoch(network, optimiser, images, labels, generators, how, batch=protocol.batch)


def evaluate(make_network, images, labels, lr, test, prepare, protocol, how, *, seed=0):
    """Trains fresh networks one after another on a distilled set and tests each.

    ``make_network()`` returns a fresh ``ConvNet``; images [N, C, H, W] are normalised, those of the
    ``test`` set [n, C, H, W] uint8, for ``prepare``.

    Returns:
      Test accuracies, one per network, on the device.
    """
    images, labels, *test = (x.to(how.device) for x in (images, labels, *test))
    generators = make_generators(seed, how.device)
    accuracies = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(protocol.networks):
            network = make_network().to(how.device, memory_format=how.memory_format)
            train_network(network, images, labels, lr, generators, protocol, how)
            accuracies.append(accuracy(network, *test, prepare, how))
    return torch.stack(accuracies)
