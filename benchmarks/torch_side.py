"""PyTorch's half of every comparison: eager, one thread per core, everything on the device."""

import torch

from benchmarks import torch_device, works
from benchmarks.pytorch import distilling, training
from benchmarks.pytorch.network import ConvNet, How, nchw
from benchmarks.torch_device import device_meter
from benchmarks.works import DSA, LR, distilled, matching, real
from mttjax.config.protocol import Protocol

__all__ = ["device_meter", "make"]


def make(work, options):
    """The task: called without arguments, it returns when its work is done."""
    torch.set_num_threads(options["threads"])
    torch.manual_seed(0)
    tf32 = options.get("precision") == "tensorfloat32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    return TASKS[type(work)](work, options)


def how_of(options, ops=DSA):
    return How(ops, options["channels_last"], options["device"])


def network_of(net):
    return ConvNet(net.image, net.classes, depth=net.depth, width=net.width)


def real_data(net, n, seed):
    images, labels = real(net, n, seed)
    return nchw(images), torch.from_numpy(labels).long()


def distilled_data(work):
    images, labels = distilled(work.net, work.ipc)
    return nchw(images), torch.from_numpy(labels)


class Distillation:
    """Outer steps."""

    def __init__(self, work, options):
        settings = matching(work)
        how = how_of(options, DSA if work.dsa else ())
        networks = [network_of(work.net).to(how.device) for _ in range(3)]
        self.pair = [
            {n: p.detach() for n, p in network.named_parameters()} for network in networks[:2]
        ]
        data = distilled_data(work)
        self.distillation = distilling.Distillation(networks[2], *data, settings, how)

    def __call__(self):
        loss, _ = self.distillation.step(*self.pair)
        return {"check": float(loss)}  # waits for the device


class Training:
    """Experts one after another, as a loop over them trains them."""

    def __init__(self, work, options):
        net, how = work.net, how_of(options)
        prepare = training.standardise([0.5] * net.image[2], [0.25] * net.image[2], how.device)
        data = [real_data(net, n, n) for n in (work.images, work.tests)]
        self.experts = [
            training.Expert(network_of(net), *data, prepare, how, lr=LR, batch=work.batch, seed=i)
            for i in range(work.experts)
        ]

    def __call__(self):
        losses = [float(expert.epoch()[0]) for expert in self.experts]
        return {"check": losses[0]}


class Evaluation:
    """Networks one after another on a set of random images."""

    def __init__(self, work, options):
        net, how = work.net, how_of(options)
        prepare = training.standardise([0.5] * net.image[2], [0.5] * net.image[2], how.device)
        protocol = Protocol(networks=work.networks, epochs=work.epochs)
        test = real_data(net, work.tests, 1)
        self.arguments = lambda: network_of(net), *distilled_data(work), LR, test, prepare
        self.arguments += (protocol, how)
        self.done = 0

    def __call__(self):
        self.done += 1
        accuracies = training.evaluate(*self.arguments, seed=self.done)
        return {"check": float(accuracies.mean())}


TASKS = {
    works.Distillation: Distillation,
    works.Evaluation: Evaluation,
    works.Matrix: torch_device.Matrix,
    works.Training: Training,
}
