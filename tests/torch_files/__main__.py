"""Makes the files beside it, with PyTorch: ``python -m tests.torch_files``.

They are kept, so that the tests need no PyTorch. What is in them is what the published code saves,
smaller; networks come with images and what they make of them.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).resolve().parent

# name -> depth, norm, activation, pooling, (channels, side), classes; of width 4.
NETWORKS = {
    "instance-28": (3, "instance", "relu", "average", (1, 28), 10),
    "instance": (2, "instance", "relu", "average", (3, 12), 5),
    "batch": (2, "batch", "relu", "average", (3, 8), 5),
    "layer": (2, "layer", "relu", "average", (3, 8), 5),
    "group": (2, "group", "relu", "average", (3, 8), 5),
    "none": (1, "none", "relu", "average", (3, 8), 3),
    "sigmoid-max": (2, "instance", "sigmoid", "max", (1, 8), 3),
    "leaky-nopool": (2, "instance", "leaky_relu", "none", (3, 6), 3),
    "deep": (4, "instance", "relu", "average", (3, 16), 3),
}
WIDTH = 4

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "leaky_relu": nn.LeakyReLU}
POOLS = {"average": lambda: nn.AvgPool2d(2, 2), "max": lambda: nn.MaxPool2d(2, 2), "none": None}
NORMS = {
    "instance": lambda c, side: nn.GroupNorm(c, c),
    "batch": lambda c, side: nn.BatchNorm2d(c),
    "layer": lambda c, side: nn.LayerNorm([c, side, side]),
    "group": lambda c, side: nn.GroupNorm(4, c),
    "none": None,
}


def convnet(depth, norm, activation, pooling, image, classes, width=WIDTH):
    """The ConvNet of the published code (DC, MTT), with random scales and shifts."""
    channels, side = image
    layers = []
    for block in range(depth):
        padded = channels == 1 and block == 0 and side == 28
        side = 32 if padded else side
        layers.append(nn.Conv2d(channels, width, 3, padding=3 if padded else 1))
        if NORMS[norm]:
            layers.append(NORMS[norm](width, side))
            nn.init.normal_(layers[-1].weight, 1, 0.3)
            nn.init.normal_(layers[-1].bias, 0, 0.3)
        layers.append(ACTIVATIONS[activation]())
        if POOLS[pooling]:
            layers.append(POOLS[pooling]())
            side //= 2
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * side * side, classes))


def networks():
    for name, case in NETWORKS.items():
        network = convnet(*case)
        channels, side = case[4]
        images = torch.randn(2, channels, side, side)
        with torch.no_grad():
            logits = network(images)
        params = [parameter.detach().clone() for parameter in network.parameters()]
        held = {"params": params, "images": images, "logits": logits}
        torch.save(held, HERE / f"network-{name}.pt")


def buffers():
    """Two experts of two epochs for images of 8x8x1 and 3 classes; and as on a CPU."""
    good, shared = [], []
    for _ in range(2):
        network = convnet(1, "instance", "relu", "average", (1, 8), 3, width=2)
        epochs, uncopied = [], []
        for _ in range(3):
            for parameter in network.parameters():
                parameter.data += 0.1
            epochs.append([p.detach().clone() for p in network.parameters()])
            uncopied.append([p.detach().cpu() for p in network.parameters()])
        good.append(epochs)
        shared.append(uncopied)
    torch.save(good, HERE / "replay_buffer_0.pt")
    torch.save(shared, HERE / "replay_buffer_shared.pt")


def sets():
    """Sets of 2 images for each of 3 classes, of 8x8x1; numbers that a test can make again."""
    images = (torch.arange(6 * 64, dtype=torch.float32).reshape(6, 1, 8, 8) / 192 - 1).clone()
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    logits = torch.arange(18, dtype=torch.float32).reshape(6, 3).cos().requires_grad_()
    torch.save(images.clone().requires_grad_(), HERE / "images_best.pt")
    torch.save(labels, HERE / "labels_best.pt")
    torch.save(logits, HERE / "logits_best.pt")
    torch.save(torch.softmax(logits, 1).detach(), HERE / "probabilities_best.pt")
    torch.save(torch.tensor(0.02), HERE / "lr_best.pt")
    accuracies = {"ConvNet": [np.float64(0.5), np.float64(0.6)]}
    data = [[images + n, labels] for n in range(2)]
    torch.save({"data": data, "accs_all_exps": accuracies}, HERE / "res_DM_bright_ConvNet_2ipc.pt")
    pixels = torch.rand(3, 1, 8, 8)
    torch.save([pixels, torch.arange(3)], HERE / "data.pt")
    pieces = [pixels[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4] for i in (0, 1) for j in (0, 1)]
    whole = nn.Upsample(size=8, mode="bilinear")(torch.cat(pieces))
    torch.save(whole, HERE / "data_decoded.pt")


def kinds():
    """Every kind of numbers, views among them; ``to(float)`` of each sums to 15."""
    numbers = torch.arange(6)
    names = [
        "float32",
        "float64",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
    ]
    held = {name: numbers.to(getattr(torch, name)).reshape(2, 3) for name in names}
    held["bool"] = torch.tensor([True, False])
    held["transposed"] = numbers.reshape(2, 3).float().T
    held["part"] = torch.arange(10.0)[4:7]
    held["channels_last"] = (
        torch.arange(16.0).reshape(1, 2, 2, 4).to(memory_format=torch.channels_last)
    )
    held["empty"] = torch.zeros(0, 3)
    held["scalar"] = torch.tensor(15.0)
    torch.save(held, HERE / "kinds.pt")
    torch.save(numbers, HERE / "old_format.pt", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    networks()
    buffers()
    sets()
    kinds()
