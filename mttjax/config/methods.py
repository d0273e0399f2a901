"""The methods: their names, a class of settings for each kind, what is published of them."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from mttjax.config.protocol import Protocol
from mttjax.system.errors import InputError
from mttjax.system.fields import (
    COUNT,
    COUNT_OR_ZERO,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE_BELOW_ONE,
    Checked,
    Range,
)
from mttjax.system.text import did_you_mean

__all__ = [
    "DD",
    "KINDS",
    "LD",
    "METHODS",
    "MTT",
    "NEED_EXPERTS",
    "RATES",
    "SELECTIONS",
    "TITLES",
    "Condensation",
    "Forgetting",
    "Loop",
    "Selection",
    "published_settings",
    "published_sizes",
    "require_method",
    "row_for",
]

RATES = Range(1e-6, 100.0)
"""Least and largest α of a student's step; learned ones were seen from .001 to .1."""


@dataclasses.dataclass(frozen=True)
class Loop(Checked):
    """The outer loop, whatever the method."""

    steps: Annotated[int, COUNT] = 5000
    """Outer steps."""
    chunk: Annotated[int | None, COUNT] = None
    """Images computed at once, a divisor of the student's minibatch; the gradient is the same,
    the memory smaller. None: what fits a CPU's caches, all on an accelerator."""
    initial: Literal["real", "noise"] = "real"
    """What the images are before the first step."""
    evaluate_every: Annotated[int, COUNT_OR_ZERO] = 500
    """Outer steps between evaluations on validation; 0: only before and after."""
    save_every: Annotated[int, COUNT] = 50
    """Outer steps between saved states."""
    validation: Protocol = dataclasses.field(default_factory=partial(Protocol, 2, 300))
    """The evaluations during the run: shorter than the final one, on validation; with no
    networks, none."""
    track_test: bool = False
    """Score on test too and keep the best on test: the paper's protocol, which selects on
    the test set."""


@dataclasses.dataclass(frozen=True)
class MTT(Loop):
    """Matching training trajectories (Cazenavette et al., CVPR 2022)."""

    student_steps: Annotated[int, COUNT] = 30
    """S, gradient steps of the student on the synthetic images."""
    expert_epochs: Annotated[int, COUNT] = 2
    """M, epochs of the expert from start to target."""
    max_start: Annotated[int, COUNT] = 20
    """T⁺, the start epoch is drawn from 0 to T⁺ - 1."""
    batch: Annotated[int | None, COUNT] = None
    """B, synthetic images per student step; what is over when it does not divide N is left out
    of every pass. None: all of them."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 100.0
    """The rate of the images."""
    lr_lr: Annotated[float, NOT_NEGATIVE] = 0.1
    """The rate of log α."""
    lr_lr_in: Literal["log", "alpha"] = "log"
    """`alpha`: lr_lr is a published rate of α itself; log α then moves by lr_lr / α² times
    its gradient, which moves α as published to first order."""
    lr: Annotated[float, RATES] = 0.01
    """α₀, the student's learning rate to begin with."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """Of the SGD that moves images and log α."""
    trajectories: Annotated[int, COUNT] = 1
    """P, pairs of expert snapshots per outer step; the mean of their losses is descended."""
    derivative: Literal["mixed", "checkpoint", "plain"] = "mixed"
    """How the exact gradient is computed: `mixed` and `checkpoint` keep only
    the parameters of every step, `plain` every activation; their speeds hardly differ."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the student's network; parameters and their updates are float32 either way."""

    @property
    def epochs_needed(self) -> int:
        """The last epoch of an expert that this distillation reads."""
        return self.max_start - 1 + self.expert_epochs


@dataclasses.dataclass(frozen=True)
class Condensation(Loop):
    """DC, DSA, DM or CAFE: what is matched at one network, and how the images move."""

    match: Literal["gradients", "means", "layers"] = "gradients"
    """`gradients`: DC and DSA; `means`: DM, of the embedding; `layers`: CAFE, of all layers."""
    augmented: bool = True
    """Real and synthetic images augmented alike by the settings' `ops`; off in DC and CAFE."""
    real_batch: Annotated[int, COUNT] = 256
    """R, real images of a class per step."""
    image_steps: Annotated[int, COUNT] = 1
    """Steps of the images with one network, before another takes its place (the outer loop)."""
    network_epochs: Annotated[int, COUNT_OR_ZERO] = 1
    """Passes of the network over the synthetic images between two of them (the inner loop)."""
    network_lr: Annotated[float, NOT_NEGATIVE] = 0.01
    """Its learning rate."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 0.1
    """The rate of the images."""
    halve_at: Annotated[tuple[int, ...], COUNT_OR_ZERO] = ()
    """Steps at which the rate of the images is halved."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """Of the SGD that moves the images."""
    lr: Annotated[float, RATES] = 0.01
    """α, which the set is evaluated at; it is not learned."""
    classes_at_once: Annotated[int, COUNT] = 1
    """Classes whose part of the loss is computed together; the gradient is the same, the memory
    smaller. CAFE compares all classes with each other and always takes them together."""


@dataclasses.dataclass(frozen=True)
class DD(Loop):
    """Dataset distillation (Wang et al., 2018): the student, and how images and rates move."""

    passes: Annotated[int, COUNT] = 3
    """How often the student goes through the images, a minibatch of one image of every class
    at a time and always in the same order: S is passes times ipc."""
    real_batch: Annotated[int, COUNT] = 1024
    """R, real images that the student is tested on."""
    lr: Annotated[float, RATES] = 0.02
    """The rate of every student step to begin with; published: .02 gray, .001 colour."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 0.01
    """Adam's rate, for the images and for the logarithm of every step's rate."""
    halve_every: Annotated[int, COUNT_OR_ZERO] = 0
    """Steps between halvings of Adam's rate; 0: never."""
    beta1: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """Adam's."""
    augmented: bool = True
    """Real images with colours are shifted by up to 4 pixels and flipped; gray ones never are."""


@dataclasses.dataclass(frozen=True)
class LD(Loop):
    """Label distillation (Bohdal et al., 2020): the student's step, how labels and network move."""

    base_batch: Annotated[int, COUNT] = 50
    """B, base images of a step; all where there are fewer."""
    real_batch: Annotated[int, COUNT] = 1024
    """R, real images that the student is tested on."""
    lr: Annotated[float, RATES] = 0.01
    """α, of the student's step; the set is evaluated at it and it is not learned."""
    lr_labels: Annotated[float, NOT_NEGATIVE] = 1e-3
    """Adam's rate for the labels."""
    network_lr: Annotated[float, NOT_NEGATIVE] = 1e-3
    """Adam's rate for the network, which takes a step on the base images after every other."""
    patience: Annotated[int, COUNT] = 50
    """Steps that the error on real images is averaged over, and steps after the least average
    until a fresh network begins."""


@dataclasses.dataclass(frozen=True)
class Selection(Checked):
    """The selection of real images: random, or herding and k_center by an expert's features."""

    expert: Annotated[int, COUNT_OR_ZERO] = 0
    """Whose features herding and k_center look at, after the last epoch it has."""
    lr: Annotated[float, POSITIVE] = 0.01
    """α, which the set is evaluated at."""


@dataclasses.dataclass(frozen=True)
class Forgetting(Checked):
    """The selection of the images forgotten most often in a training of its own."""

    networks: Annotated[int, COUNT] = 3
    """Networks trained; what they forget is summed."""
    epochs: Annotated[int, COUNT] = 30
    """Of each, so many that nearly every image is learned once."""
    network_lr: Annotated[float, POSITIVE] = 0.01
    """Their learning rate."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    """Of their SGD."""
    batch: Annotated[int, COUNT] = 128
    """Real images per gradient step."""
    lr: Annotated[float, POSITIVE] = 0.01
    """α, which the set is evaluated at."""


SELECTIONS = ("random", "herding", "k_center", "forgetting")

KINDS: dict[str, type[Loop] | type[Selection] | type[Forgetting]] = {
    **dict.fromkeys(SELECTIONS, Selection),
    "forgetting": Forgetting,
    "dd": DD,
    "ld": LD,
    **dict.fromkeys(("dc", "dsa", "dm", "cafe", "cafe_dsa"), Condensation),
    "mtt": MTT,
}
"""The class of settings that each method has."""

TITLES = {
    "random": "Random",
    "herding": "Herding",
    "k_center": "K-center",
    "forgetting": "Forgetting",
    "dd": "DD",
    "ld": "LD",
    "dc": "DC",
    "dsa": "DSA",
    "dm": "DM",
    "cafe": "CAFE",
    "cafe_dsa": "CAFE+DSA",
    "mtt": "MTT",
}
"""The methods in the order of the paper's table, and what tables call them."""

METHODS = tuple(TITLES)

NEED_EXPERTS = ("herding", "k_center", "mtt")
"""The methods that look at trained experts."""

_LOOPS = {1: (1, 1), 10: (10, 50), 20: (20, 25), 30: (30, 20), 40: (40, 15), 50: (50, 10)}
"""ipc -> (steps of the images with one network, epochs of the network between them) of DC."""

_BASE_BATCHES = {1: 10, 2: 10, 5: 25, 10: 50, 20: 50, 50: 50}
"""ipc -> base images of a step of LD."""

_SIZES = {"dd": (10,), "ld": tuple(_BASE_BATCHES), "cafe": (1, 10, 50), "cafe_dsa": (1, 10, 50)}
_SIZES |= dict.fromkeys(("dc", "dsa"), tuple(_LOOPS))

_GRAY = ("digits", "mnist", "fashion_mnist")


def require_method(method: str) -> None:
    """Raises ``InputError`` unless there is a method of that name; the nearest is given."""
    if method not in METHODS:
        raise InputError(f"method is {method!r}: {did_you_mean(method, METHODS)}")


def published_sizes(method: str) -> tuple[int, ...]:
    """The images per class that a method was published for; empty where its settings are the
    same for all, and of MTT, whose rows are those of the presets."""
    return _SIZES.get(method, ())


def published_settings(method: str, ipc: int, dataset: str = "") -> Loop | Selection | Forgetting:
    """The settings of a method as published; between and beyond ``published_sizes`` those below.

    DC and DSA: 1000 networks. DM: 20,000 steps, the images' rate 1, on CIFAR-10 10 from 100
    images per class. CAFE: 2000 networks in DC's loops; at 1 per class 10 steps for each, with
    10 epochs in between, the least that its own loops allow. DD: 400 epochs of real batches, 49
    steps each on CIFAR, 59 on MNIST. LD: 400 epochs, 44 steps each on CIFAR and 49 on MNIST, as
    its validation images are left out; 800 for more than 100 images or classes.

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


Row = TypeVar("Row")


def row_for(rows: Mapping[int, Row], ipc: int) -> Row:
    """The row for ``ipc``; between two, or beyond, that of the nearest below."""
    return rows[max((n for n in rows if n <= ipc), default=min(rows))]
