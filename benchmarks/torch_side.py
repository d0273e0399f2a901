"""PyTorch's half of every comparison: eager, one thread per core, everything on the device."""

import torch

from benchmarks.pytorch import distilling, evaluating, training
from benchmarks.pytorch.network import ConvNet
from benchmarks.synthetic_data import DSA, LR, distilled, real
from benchmarks.torch_device import Convolution, Device, Matrix, device_meter
from benchmarks.works import work_from

__all__ = ["device_meter", "make"]


def make(kind, work, options):
    """The task ``kind``: called without arguments, it returns when its work is done."""
    torch.set_num_threads(options["threads"])
    torch.manual_seed(0)
    tf32 = options.get("precision") == "tensorfloat32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    if kind in OTHERS:
        return OTHERS[kind](**{"device": options["device"]} | work)
    return TASKS[kind](work_from(kind, work), options)


def on_device(options):
    """The arguments that every task hands on."""
    return {"channels_last": options["channels_last"], "device": options["device"]}


def network_of(net):
    return ConvNet(net.image, net.classes, depth=net.depth, width=net.width)


def to_nchw(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def real_data(net, n, seed, device):
    images, labels = real(net, n, seed)
    return to_nchw(images).to(device), torch.from_numpy(labels).long().to(device)


class Distillation:
    """Outer steps."""

    def __init__(self, work, options):
        net, device = work.net, options["device"]
        images, labels = distilled(net, work.ipc)
        settings = distilling.Matching(
            student_steps=work.steps, batch=work.batch, lr_img=1.0, lr_lr=1e-3, lr=LR
        )
        network = network_of(net).to(device)
        self.pair = [
            {n: p.detach().to(device) for n, p in network_of(net).named_parameters()}
            for _ in range(2)
        ]
        self.distillation = distilling.Distillation(
            network,
            to_nchw(images),
            torch.from_numpy(labels),
            settings,
            ops=DSA if work.dsa else (),
            **on_device(options),
        )

    def __call__(self):
        loss, _ = self.distillation.step(*self.pair)
        return {"check": float(loss)}  # waits for the device


class Training:
    """Experts one after another, as a loop over them trains them."""

    def __init__(self, work, options):
        net, device = work.net, options["device"]
        prepare = training.standardise([0.5] * net.image[2], [0.25] * net.image[2], device)
        train, test = (real_data(net, n, n, device) for n in (work.images, work.tests))
        self.experts = [
            training.Expert(
                network_of(net),
                train,
                test,
                prepare,
                ops=DSA,
                lr=LR,
                batch=work.batch,
                seed=seed,
                **on_device(options),
            )
            for seed in range(work.experts)
        ]

    def __call__(self):
        losses = [float(expert.epoch()[0]) for expert in self.experts]
        return {"check": losses[0]}


class Evaluation:
    """Networks one after another on a set of random images."""

    def __init__(self, work, options):
        net, device = work.net, options["device"]
        images, labels = distilled(net, work.ipc)
        self.arguments = (
            lambda: network_of(net),
            to_nchw(images),
            torch.from_numpy(labels),
            LR,
            real_data(net, work.tests, 1, device),
            training.standardise([0.5] * net.image[2], [0.5] * net.image[2], device),
        )
        self.settings = {
            "protocol": evaluating.Protocol(networks=work.networks, epochs=work.epochs),
            "ops": DSA,
        } | on_device(options)
        self.done = 0

    def __call__(self):
        self.done += 1
        accuracies = evaluating.evaluate(*self.arguments, seed=self.done, **self.settings)
        return {"check": float(accuracies.mean())}


TASKS = {"Distillation": Distillation, "Training": Training, "Evaluation": Evaluation}
OTHERS = {"convolution": Convolution, "device": Device, "matrix": Matrix}
