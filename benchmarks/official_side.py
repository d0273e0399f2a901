"""The published implementation of MTT, from a user's clone of it: the third side of a comparison.

Its networks, augmentation, flat parameters, epoch and evaluation are called as its own scripts
call them; what those scripts have inline, the student's loop of a step, is written here. Nothing
of it is part of this project.
"""

import importlib
import sys
import types
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import torch_device, works
from benchmarks.pytorch import distilling
from benchmarks.pytorch.network import nchw
from benchmarks.torch_side import network_of, real_data
from benchmarks.works import DSA, LR, distilled, matching

__all__ = ["device_meter", "make", "match_loss", "published"]

device_meter = torch_device.device_meter
STRATEGY = "_".join(DSA)


def make(work, options):
    """The task: called without arguments, it returns when its work is done."""
    torch.set_num_threads(options["threads"])
    torch.manual_seed(0)
    return TASKS[type(work)](work, published(options["official"]), options["device"])


def published(path):
    """The clone's ``networks``, ``utils`` and ``reparam_module``, by these names.

    Its utils import what they only load data and whiten with; where that is missing, an empty
    module takes its place, as nothing here calls it.
    """
    for name, content in _UNUSED.items():
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(content)
    sys.path.insert(0, str(path))
    try:
        names = ("networks", "utils", "reparam_module")
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(path))


_UNUSED = {
    "kornia": {},
    "torchvision": {"datasets": None, "transforms": None},
    "scipy.ndimage.interpolation": {"rotate": None},
}


def convnet(code, net):
    """Its ConvNet with instance norm and average pools."""
    height, broad, channels = net.image
    kinds = "relu", "instancenorm", "avgpooling"
    settings = channels, net.classes, net.width, net.depth, *kinds
    return code.networks.ConvNet(*settings, im_size=(height, broad))


def flat(parameters):
    return torch.cat([p.detach().reshape(-1) for p in parameters])


def match_loss(student, images, labels, lr, start, target, batches, augment=None):
    """The loss of its student ``student(images, flat_param=...)``; ``lr`` is α itself.

    ``start`` and ``target`` are flat parameters, ``batches`` the minibatch of every step.
    """
    params = start.clone().requires_grad_()
    for batch in batches:
        x = images[batch]
        x = x if augment is None else augment(x)
        loss = F.cross_entropy(student(x, flat_param=params), labels[batch])
        (gradient,) = torch.autograd.grad(loss, params, create_graph=True)
        params = params - lr * gradient
    distance = F.mse_loss(params, target, reduction="sum")
    return distance / F.mse_loss(start, target, reduction="sum")


class Distillation:
    """Outer steps, with a network built anew for each."""

    def __init__(self, work, code, device):
        self.work, self.code, self.device = work, code, device
        ends = [convnet(code, work.net).to(device) for _ in range(2)]
        self.start, self.target = (flat(network.parameters()) for network in ends)
        images, labels = distilled(work.net, work.ipc)
        self.images = nchw(images).to(device).requires_grad_()
        self.labels = torch.from_numpy(labels.argmax(1)).to(device)
        settings = matching(work)
        self.lr = torch.tensor(settings.lr, device=device, requires_grad=True)
        self.optimisers = [
            torch.optim.SGD([moved], lr=rate, momentum=0.5)
            for moved, rate in ((self.images, settings.lr_img), (self.lr, settings.lr_lr))
        ]
        self.drawn = code.utils.ParamDiffAug()

    def _batches(self):
        """Pieces of fresh permutations."""
        pieces = []
        for _ in range(self.work.steps):
            if not pieces:
                order = torch.randperm(len(self.images))
                pieces = list(torch.split(order, self.work.batch))
            yield pieces.pop()

    def _augmented(self, x):
        return self.code.utils.DiffAugment(x, STRATEGY, param=self.drawn)

    def __call__(self):
        student = self.code.reparam_module.ReparamModule(convnet(self.code, self.work.net))
        student.to(self.device).train()
        augment = self._augmented if self.work.dsa else None
        learned = self.images, self.labels, self.lr
        loss = match_loss(student, *learned, self.start, self.target, self._batches(), augment)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        return {"check": float(loss)}


def arguments_of(code, device, **more):
    """What its functions are told."""
    known = {"device": device, "dataset": "CIFAR10", "dsa": True, "dsa_strategy": STRATEGY}
    known |= {"dsa_param": code.utils.ParamDiffAug(), "dc_aug_param": None}
    return SimpleNamespace(**known, **more)


def loader(code, data, batch, *, shuffle):
    dataset = code.utils.TensorDataset(*data)
    return torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=shuffle, num_workers=0)


def normal_data(net, n, seed, std):
    """Images that are normalised already, as its data sets are."""
    images, labels = real_data(net, n, seed)
    return (images / 255 - 0.5) / std, labels


class Training:
    """Experts one after another: its ``epoch`` on the training and on the test images."""

    def __init__(self, work, code, device):
        self.code, self.arguments = code, arguments_of(code, device)
        data = [normal_data(work.net, n, n, 0.25) for n in (work.images, work.tests)]
        self.train = loader(code, data[0], work.batch, shuffle=True)
        self.test = loader(code, data[1], work.batch, shuffle=False)
        self.networks = [convnet(code, work.net).to(device) for _ in range(work.experts)]

    def __call__(self):
        criterion, losses = torch.nn.CrossEntropyLoss(), []
        for network in self.networks:
            sgd = torch.optim.SGD(network.parameters(), lr=LR, momentum=0, weight_decay=0)
            rest = network, sgd, criterion, self.arguments
            losses.append(self.code.utils.epoch("train", self.train, *rest, aug=True)[0])
            with torch.no_grad():
                self.code.utils.epoch("test", self.test, *rest, aug=False)
        return {"check": float(losses[0])}


class Evaluation:
    """Networks one after another by its ``evaluate_synset``."""

    def __init__(self, work, code, device):
        self.work, self.code, self.device = work, code, device
        # It trains for an epoch more than it is told.
        told = {"lr_net": LR, "epoch_eval_train": work.epochs - 1, "batch_train": 256}
        self.arguments = arguments_of(code, device, **told)
        images, labels = distilled(work.net, work.ipc)
        self.data = nchw(images), torch.from_numpy(labels.argmax(1))
        test = normal_data(work.net, work.tests, 1, 0.5)
        self.test = loader(code, test, 128, shuffle=False)

    def __call__(self):
        accuracies = []
        for number in range(self.work.networks):
            network = convnet(self.code, self.work.net).to(self.device)
            rest = network, *self.data, self.test, self.arguments
            accuracies.append(self.code.utils.evaluate_synset(number, *rest)[2])
        return {"check": float(np.mean(accuracies))}


class Agreement:
    """Loss and gradient of its student against the PyTorch side's, in float64."""

    def __init__(self, _work, code, _device):
        self.code = code

    def __call__(self):
        net = works.Net((16, 16, 3), 3, 2, 8)
        ends = [network_of(net).double() for _ in range(2)]
        named = [{n: p.detach() for n, p in end.named_parameters()} for end in ends]
        flats = [flat(end.parameters()) for end in ends]
        ours, theirs = network_of(net).double(), convnet(self.code, net).double()
        theirs = self.code.reparam_module.ReparamModule(theirs)
        images, labels = (torch.from_numpy(x).double() for x in distilled(net, 2))
        images, lr = images.permute(0, 3, 1, 2).contiguous(), torch.tensor(0.1).double()
        batches = torch.tensor([[0, 3, 5], [1, 2, 4], [5, 0, 2]])

        def official(x, log_lr):
            return match_loss(theirs, x, labels.argmax(1), log_lr.exp(), *flats, batches)

        def our_own(x, log_lr):
            return distilling.match_loss(ours, x, labels, log_lr, *named, batches)[0]

        at = images, lr.log()
        pairs = zip(with_gradient(official, *at), with_gradient(our_own, *at), strict=True)
        differences = {
            name: float((a - b).abs().max() / b.abs().max())
            for name, (a, b) in zip(("loss", "images", "log α"), pairs, strict=True)
        }
        case = {"case": "the published code", "tolerance": 1e-8, "differences": differences}
        return {"cases": [case]}


def with_gradient(function, *at):
    at = [x.clone().requires_grad_() for x in at]
    loss = function(*at)
    return loss.detach(), *torch.autograd.grad(loss, at)


TASKS = {
    works.Agreement: Agreement,
    works.Distillation: Distillation,
    works.Evaluation: Evaluation,
    works.Training: Training,
}
