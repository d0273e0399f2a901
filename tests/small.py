"""A data set and distilled sets small enough to train on within a test."""

import dataclasses

import numpy as np

from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import Standardize
from mttjax.datasets import Dataset, Split
from mttjax.distilled import DistilledSet

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
    labels = np.repeat(np.eye(3, dtype=np.float32), ipc, axis=0)
    fields = {
        "images": rng.standard_normal((3 * ipc, side, side, 1), np.float32)
        + labels.argmax(1).reshape(-1, 1, 1, 1),
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
    fields["images"] = fields["images"].astype(np.float32)
    return dataclasses.replace(DistilledSet(**fields), **changes)
