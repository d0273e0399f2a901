"""What is published of each method: its settings by images per class and data set."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from mttjax.config.methods import (
    DD,
    KINDS,
    LD,
    MTT,
    Condensation,
    Forgetting,
    Loop,
    Selection,
    require_method,
)

__all__ = ["published_preprocessing", "published_settings", "published_sizes", "row_for"]

Row = TypeVar("Row")

_LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
"""ipc -> (steps of the images with one network, epochs of the network between them) of DC."""

_BASE_BATCHES = {1: 10, 2: 10, 5: 25, 10: 50, 20: 50, 50: 50}
"""ipc -> base images of a step of LD."""

_SIZES = {"dd": (10,), "ld": tuple(_BASE_BATCHES), "cafe": (1, 10, 50), "cafe_dsa": (1, 10, 50)}
_SIZES |= dict.fromkeys(("dc", "dsa"), tuple(_LOOPS))

_DATM_FIELDS = (
    *("student_steps", "expert_epochs", "min_start", "max_start", "growth"),
    *("lr_img", "lr_lr", "lr_labels", "most_loss", "batch", "initial"),
)
_DATM: dict[str, dict[int, tuple[Any, ...]]] = {
    "cifar10": {
        1: (80, 2, 0, 4, None, 100, 1e-7, 5, 1.1, None, "correct"),
        10: (80, 2, 0, 20, (10, 1000), 100, 1e-5, 2, 1, None, "correct"),
        50: (80, 2, 0, 40, (20, 2000), 1000, 1e-5, 2, 1, None, "correct"),
        500: (40, 2, 40, 60, None, 50, 1e-5, 10, 1, 1000, "correct"),
        1000: (100, 2, 40, 60, None, 50, 1e-5, 10, 1, 1000, "correct"),
    },
    "cifar100": {
        1: (40, 3, 0, 20, (10, 1000), 1000, 1e-5, 10, 1, None, "correct"),
        10: (80, 2, 0, 50, (30, 2000), 1000, 1e-5, 10, 1, None, "correct"),
        50: (80, 2, 20, 70, None, 1000, 1e-5, 10, 1, 1000, "real"),
        100: (80, 2, 30, 70, None, 50, 1e-5, 10, 1, 1000, "correct"),
    },
    "tiny_imagenet": {
        1: (40, 2, 0, 20, (15, 2000), 1e4, 1e-4, 10, 1, None, "correct"),
        10: (40, 2, 10, 50, None, 100, 1e-4, 10, 1, 500, "correct"),
        50: (20, 2, 40, 70, None, 100, 1e-4, 10, 1, 1000, "correct"),
    },
}
"""DATM's rows, from the configurations of its published code (commit 97ae510); where those name a
larger minibatch than there are images, all are taken."""

_GRAY = ("digits", "mnist", "fashion_mnist")


def published_sizes(method: str, dataset: str = "") -> tuple[int, ...]:
    """The images per class that a method was published for; empty where its settings are the
    same for all, and of MTT, whose rows are those of the presets."""
    if method == "datm":
        return tuple(_DATM.get(dataset, _DATM["cifar10"]))
    return _SIZES.get(method, ())


def published_preprocessing(method: str, dataset: str) -> str | None:
    """How a method was published to see a data set, where that is not as MTT does; else None."""
    return "zca" if method == "datm" and dataset in _DATM else None


def published_settings(method: str, ipc: int, dataset: str = "") -> Loop | Selection | Forgetting:
    """The settings of a method as published; between and beyond ``published_sizes`` those below.

    DC and DSA: 1000 networks. DM: 20,000 steps, the images' rate 1, on CIFAR-10 10 from 100
    images per class. CAFE: 2000 networks in DC's loops; at 1 per class 10 steps for each, with
    10 epochs in between, the least that its own loops allow. DD: 400 epochs of real batches, 49
    steps each on CIFAR, 59 on MNIST. LD: 400 epochs, 44 steps each on CIFAR and 49 on MNIST, as
    its validation images are left out; 800 for more than 100 images or classes. DATM: 10,000 steps.

    Args:
      method: one of ``METHODS``.
      ipc: images per class.
      dataset: which real images; where nothing was published for them, CIFAR-10's serve.

    Raises:
      InputError: no such method.
    """
    require_method(method)
    at_most_100 = ipc <= 10 and dataset != "cifar100"
    gray, many_classes = dataset in _GRAY, dataset == "cifar100"
    dd_epoch, ld_epoch = (59, 49) if gray else (49, 44)
    makers: dict[str, Any] = {
        "dc": partial(_in_loops, 1000, row_for(_LOOPS, ipc), augmented=False, initial="noise"),
        "dsa": partial(_in_loops, 1000, row_for(_LOOPS, ipc)),
        "dm": partial(
            Condensation,
            match="means",
            steps=20_000,
            lr_img=10 if ipc >= 100 and dataset == "cifar10" else 1,
        ),
        "cafe": partial(_cafe, ipc, augmented=False),
        "cafe_dsa": partial(_cafe, ipc),
        "dd": partial(
            DD,
            steps=400 * dd_epoch,
            halve_every=40 * dd_epoch,
            initial="noise",
            lr=0.02 if gray else 0.001,
        ),
        "ld": partial(
            LD,
            steps=(400 if at_most_100 else 800) * ld_epoch,
            base_batch=100 if many_classes else row_for(_BASE_BATCHES, ipc),
            patience=100 if many_classes else 50 if at_most_100 else 200,
        ),
        "mtt": MTT,
        "datm": partial(_datm, row_for(_DATM.get(dataset, _DATM["cifar10"]), ipc)),
    }
    return makers.get(method, KINDS[method])()


def _in_loops(networks, loops, **settings):
    image_steps, epochs = loops
    how = {"image_steps": image_steps, "network_epochs": epochs, "steps": networks * image_steps}
    return Condensation(**(how | settings))


def _cafe(ipc, **settings):
    image_steps, epochs = row_for(_LOOPS | {1: (10, 10)}, ipc)
    halvings = tuple(n * image_steps for n in (1200, 1600, 1800))
    how = {"match": "layers", "initial": "noise", "halve_at": halvings}
    return _in_loops(2000, (image_steps, epochs), **how, **settings)


def _datm(row):
    how = dict(zip(_DATM_FIELDS, row, strict=True))
    return MTT(steps=10_000, lr=0.01, lr_lr_in="alpha", labels="learned", **how)


def row_for(rows: Mapping[int, Row], ipc: int) -> Row:
    """The row for ``ipc``; between two, or beyond, that of the nearest below."""
    return rows[max((n for n in rows if n <= ipc), default=min(rows))]
