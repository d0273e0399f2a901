"""Data, distilled sets, experts and archives small enough for a test."""

import dataclasses
import gzip
import io
import re
import struct
import tarfile

import numpy as np
from PIL import Image

from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import Standardize
from mttjax.datasets.dataset import Dataset, Split
from mttjax.distilled import DistilledSet
from mttjax.evaluation import Evaluation

NAMES = ("ant", "bee", "cat")
PROTOCOL = Protocol(networks=2, epochs=3)


def small_dataset(side=8):
    """Three classes that differ in brightness; [side, side, 1] uint8, 30 to train, 40 to test."""
    rng = np.random.default_rng(0)

    def split(n):
        labels = np.arange(n, dtype=np.int32) % 3
        images = rng.integers(0, 100, (n, side, side, 1)) + 70 * labels.reshape(n, 1, 1, 1)
        return Split(images.astype(np.uint8), labels)

    return Dataset("bright", NAMES, train=split(30), validation=split(0), test=split(40))


def small_set(ipc=1, *, soft=False, side=8, **changes):
    """A distilled set of ``small_dataset``, its labels one-hot or not."""
    rng = np.random.default_rng(ipc)
    images = rng.standard_normal((3 * ipc, side, side, 1), np.float32)
    labels = np.repeat(np.eye(3, dtype=np.float32), ipc, axis=0)
    fields = {
        "images": images + labels.argmax(1).astype(np.float32).reshape(-1, 1, 1, 1),
        "labels": labels * 0.7 + np.float32(0.1) if soft else labels,
        "lr": 0.05,
        "preprocessing": Standardize(np.float32([0.5]), np.float32([0.25])),
        "ops": ("cutout",),
        "network": NetworkSpec(depth=1, width=4),
        "dataset": "bright",
        "class_names": NAMES,
        "seed": 0,
        "settings": {"method": "mtt", "step": 3},
        "versions": {},
    }
    return dataclasses.replace(DistilledSet(**fields), **changes)


def scored(*accuracies):
    """An evaluation of one network for each accuracy, on 1000 images of one class."""
    correct = np.rint(1000 * np.array(accuracies)).astype(int)[:, None]
    return Evaluation(np.array(accuracies), correct, np.array([1000]))


def products_on_a_card(traced):
    """(precision, dtype) of what every product and convolution reads, as an NVIDIA card's program.

    ``traced`` is what ``jax.jit(function).trace(...)`` returns.
    """
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    lines = re.findall(r"stablehlo\.(?:dot_general|convolution).*", text)
    assert any("convolution" in line for line in lines)
    operands = [re.search(r"\(tensor<\S*x(\w+)>, tensor<\S*x(\w+)>\) ->", line) for line in lines]
    precisions = [re.findall("DEFAULT|HIGHEST|HIGH", line) for line in lines]
    pairs = zip(precisions, operands, strict=True)
    return {read for names, dtypes in pairs for read in zip(names, dtypes.groups(), strict=True)}


PRODUCTS = {
    "float32": ("HIGHEST", "f32"),
    "tensorfloat32": ("HIGH", "f32"),
    "bfloat16": ("DEFAULT", "bf16"),
}
"""What ``products_on_a_card`` says of a network of each precision."""


def idx(array):
    """The bytes of MNIST's format."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, pack=gzip.compress, ending=".gz"):
    """MNIST's four files: (images [60, 28, 28, 1], labels), the first 40 to train."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(ending))  # packed ones are other images
    pixels = rng.integers(0, 256, (60, 28, 28), np.uint8)
    labels = (np.arange(60) % 10).astype(np.uint8)
    for part, rows in (("train", slice(40)), ("t10k", slice(40, 60))):
        (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(idx(pixels[rows])))
        (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(labels[rows])))
    return pixels[..., None], labels


def write_tar(path, members):
    """A gzipped tar of name -> content."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def save_image(path, colour, size=(8, 8), mode="RGB"):
    """An image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def write_class_folders(root, split, classes=("ant", "bee", "cat"), n=2, mode="RGB", size=(8, 8)):
    """n images of every class in ``root/split/<class>``; image i of class k is 40 k + i grey."""
    for k, name in enumerate(classes):
        for i in range(n):
            grey = (40 * k + i) % 256
            colour = grey if mode == "L" else (grey, grey, grey)
            save_image(root / split / name / f"{i}.png", colour, size, mode)
    return root
