"""How good a distilled set is: fresh networks trained on it one after another, then tested."""

from dataclasses import dataclass

import torch

from benchmarks.pytorch.drawing import make_generators
from benchmarks.pytorch.network import memory_format
from benchmarks.pytorch.training import accuracy, train_epoch

__all__ = ["Protocol", "evaluate", "train_network"]


@dataclass(frozen=True)
class Protocol:
    """How networks are trained on a distilled set; as in ``mttjax.evaluating``."""

    networks: int = 5
    epochs: int = 1001
    batch: int = 256
    momentum: float = 0.9
    weight_decay: float = 5e-4


def train_network(
    network, images, labels, lr, generators, *, protocol, ops=(), channels_last=False
):
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
        train_epoch(
            network,
            optimiser,
            images,
            labels,
            generators,
            batch=protocol.batch,
            ops=ops,
            channels_last=channels_last,
        )


def evaluate(
    make_network,
    images,
    labels,
    lr,
    test,
    prepare,
    *,
    protocol,
    ops=(),
    channels_last=False,
    seed=0,
    device="cpu",
):
    """Trains fresh networks one after another on a distilled set and tests each.

    Args:
      make_network: without arguments, returns a freshly initialised ``ConvNet``.
      images: [N, C, H, W], normalised.
      labels: [N, K] probabilities.
      lr: the rate α.
      test: (images [n, C, H, W] uint8, labels [n]).
      prepare: normalises the test images.
      protocol: a ``Protocol``.
      ops: the operations of DSA; empty for none.
      channels_last: the memory format.
      seed: decides initialisations, orders and augmentations.
      device: ``cpu`` or ``cuda``.

    Returns:
      Test accuracies, one per network, on the device.
    """
    images, labels, *test = (x.to(device) for x in (images, labels, *test))
    generators = make_generators(seed, device)
    accuracies = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(protocol.networks):
            network = make_network().to(device, memory_format=memory_format(channels_last))
            train_network(
                network,
                images,
                labels,
                lr,
                generators,
                protocol=protocol,
                ops=ops,
                channels_last=channels_last,
            )
            accuracies.append(
                accuracy(network, *test, prepare=prepare, channels_last=channels_last)
            )
    return torch.stack(accuracies)
