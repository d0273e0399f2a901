"""The methods: their names, their settings, what is published of them."""

import dataclasses
from functools import partial
from typing import Literal

from mttjax.config.protocol import Protocol
from mttjax.core.unrolling import DERIVATIVES

__all__ = [
    "KINDS",
    "METHODS",
    "NEED_EXPERTS",
    "SELECTIONS",
    "TITLES",
    "Condense",
    "Condensing",
    "Distill",
    "Labels",
    "LearnLabels",
    "LearnThrough",
    "Loop",
    "Matching",
    "Meta",
    "Select",
    "part_of",
    "published_settings",
]

RATES = (1e-6, 100.0)
"""Least and largest α of a student's step; learned ones were seen from .001 to .1."""


@dataclasses.dataclass(frozen=True)
class Matching:
    """What is matched, and how the images and the rate move."""

    student_steps: int = 30
    """S, gradient steps of the student on the synthetic images."""
    expert_epochs: int = 2
    """M, epochs of the expert from start to target."""
    max_start: int = 20
    """T⁺, the start epoch is drawn from 0 to T⁺ - 1."""
    batch: int | None = None
    """B, synthetic images per student step; a divisor of N. None: all of them."""
    lr_img: float = 100.0
    """The rate of the images."""
    lr_lr: float = 0.1
    """The rate of log α."""
    lr_lr_in: Literal["log", "alpha"] = "log"
    """`alpha`: lr_lr is a published rate of α itself; log α then moves by lr_lr / α² times
    its gradient, which moves α as published to first order."""
    lr: float = 0.01
    """α₀, the student's learning rate to begin with."""
    momentum: float = 0.5
    """Of the SGD that moves images and log α."""
    trajectories: int = 1
    """K, pairs of expert snapshots per outer step; the mean of their losses is descended."""
    derivative: Literal[DERIVATIVES] = "mixed"
    """How the exact gradient is computed: `mixed` and `checkpoint` keep only
    the parameters of every step, `plain` every activation; their speeds hardly differ."""


@dataclasses.dataclass(frozen=True)
class Condensing:
    """What is matched at one network, and how the images move."""

    match: Literal["gradients", "means", "layers"] = "gradients"
    """`gradients`: DC and DSA; `means`: DM, of the embedding; `layers`: CAFE, of all layers."""
    augmented: bool = True
    """Real and synthetic images augmented alike by the settings' `ops`; off in DC and CAFE."""
    real_batch: int = 256
    """R, real images of a class per step."""
    image_steps: int = 1
    """Steps of the images with one network, before another takes its place (the outer loop)."""
    network_epochs: int = 1
    """Passes of the network over the synthetic images between two of them (the inner loop)."""
    network_lr: float = 0.01
    """Its learning rate."""
    lr_img: float = 0.1
    """The rate of the images."""
    halve_at: tuple[int, ...] = ()
    """Steps at which the rate of the images is halved."""
    momentum: float = 0.5
    """Of the SGD that moves the images."""
    lr: float = 0.01
    """α, which the set is evaluated at; it is not learned."""
    classes_at_once: int = 1
    """Classes whose part of the loss is computed together; the gradient is the same, the memory
    smaller. CAFE compares all classes with each other and always takes them together."""


@dataclasses.dataclass(frozen=True)
class Meta:
    """The student, and how images and rates move."""

    passes: int = 3
    """How often the student goes through the images, a minibatch of one image of every class
    at a time and always in the same order: S is passes times ipc."""
    real_batch: int = 1024
    """R, real images that the student is tested on."""
    lr: float = 0.02
    """The rate of every student step to begin with; published: .02 gray, .001 colour."""
    lr_img: float = 0.01
    """Adam's rate, for the images and for the logarithm of every step's rate."""
    halve_every: int = 0
    """Steps between halvings of Adam's rate; 0: never."""
    beta1: float = 0.5
    """Adam's."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The student's one step, and how labels and network move."""

    base_batch: int = 50
    """B, base images of a step; all where there are fewer."""
    real_batch: int = 1024
    """R, real images that the student is tested on."""
    lr: float = 0.01
    """α, of the student's step; the set is evaluated at it and it is not learned."""
    lr_labels: float = 1e-3
    """Adam's rate for the labels."""
    network_lr: float = 1e-3
    """Adam's rate for the network, which takes a step on the base images after every other."""
    decay: float = 0.95
    """Of the moving average of the loss that tells when a network has learned what it can."""
    patience: int = 50
    """Steps without a new least moving average after which a fresh network begins."""


@dataclasses.dataclass(frozen=True)
class Loop:
    """The outer loop, whatever the method."""

    steps: int = 5000
    """Outer steps."""
    chunk: int | None = None
    """Images computed at once, a divisor of the student's minibatch; the gradient is the same,
    the memory smaller. None: what fits a CPU's caches, all on an accelerator."""
    initial: Literal["real", "noise"] = "real"
    """What the images are before the first step."""
    evaluate_every: int = 500
    """Outer steps between evaluations on validation; 0: only before and after."""
    save_every: int = 50
    """Outer steps between saved states."""
    fallbacks: int = 0
    """How often a run that diverges goes back to its last good state and on at a tenth of its
    rates. 0: it stops there and says what to change."""
    validation: Protocol = dataclasses.field(
        default_factory=lambda: Protocol(networks=2, epochs=300)
    )
    """The evaluations during the run: shorter than the final one, on validation; with no
    networks, none."""
    track_test: bool = False
    """Score on test too and keep the best on test: the paper's protocol, which selects on
    the test set."""


@dataclasses.dataclass(frozen=True)
class Distill(Loop, Matching):
    """The distillation by MTT."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the student's network; parameters and their updates are float32 either way."""

    @property
    def epochs_needed(self):
        """The last epoch of an expert that this distillation reads."""
        return self.max_start - 1 + self.expert_epochs

    def matching(self):
        """The part that decides a step."""
        return part_of(self, Matching)


@dataclasses.dataclass(frozen=True)
class Condense(Loop, Condensing):
    """The distillation by DC, DSA, DM or CAFE."""


@dataclasses.dataclass(frozen=True)
class LearnThrough(Loop, Meta):
    """The distillation by DD."""


@dataclasses.dataclass(frozen=True)
class LearnLabels(Loop, Labels):
    """The distillation by LD."""


@dataclasses.dataclass(frozen=True)
class Select:
    """The selection of real images: random, herding, k_center or forgetting."""

    expert: int = 0
    """Whose features (herding, k_center) or training (forgetting) the selection looks at, to
    the last epoch it has."""
    lr: float = 0.01
    """α, which the set is evaluated at."""


KINDS = {
    **dict.fromkeys(("random", "herding", "k_center", "forgetting"), Select),
    "dd": LearnThrough,
    "ld": LearnLabels,
    **dict.fromkeys(("dc", "dsa", "dm", "cafe", "cafe_dsa"), Condense),
    "mtt": Distill,
}
"""The kind of settings that each method has."""


def part_of(settings, kind):
    """The fields of ``settings`` that the dataclass ``kind`` has, as one of that kind."""
    names = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: getattr(settings, name) for name in names})


SELECTIONS = ("random", "herding", "k_center", "forgetting")

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

NEED_EXPERTS = ("herding", "k_center", "forgetting", "mtt")
"""The methods that look at trained experts."""

_LOOPS = {1: (1, 1), 10: (10, 50), 50: (50, 10)}
"""ipc -> (steps of the images with one network, epochs of the network between them)."""


def published_settings(method, ipc):
    """The settings of a method as published; what is not published says so here.

    DC and DSA: 1000 networks. DM: 20,000 steps, the images' rate 1, and 10 from 100 images
    per class. CAFE: 2000 networks in DC's loops. DD: 400 epochs of 50,000 images in batches of
    1024, about 50 steps each. LD: the steps are not published; 10,000 are ours.
    """
    image_steps, network_epochs = _row(_LOOPS, ipc)
    looped = partial(Condense, image_steps=image_steps, network_epochs=network_epochs)
    cafe = partial(
        looped,
        match="layers",
        steps=2000 * image_steps,
        halve_at=tuple(n * image_steps for n in (1200, 1600, 1800)),
        initial="noise",
    )
    makers = {
        "dc": partial(looped, steps=1000 * image_steps, augmented=False, initial="noise"),
        "dsa": partial(looped, steps=1000 * image_steps),
        "dm": partial(Condense, match="means", steps=20_000, lr_img=10 if ipc >= 100 else 1),
        "cafe": partial(cafe, augmented=False),
        "cafe_dsa": cafe,
        "dd": partial(LearnThrough, steps=20_000, halve_every=2000, initial="noise"),
        "ld": partial(LearnLabels, steps=10_000),
        "mtt": Distill,
    }
    return makers.get(method, Select)()


def _row(rows, ipc):
    """The row for ``ipc``; between two, or beyond, that of the nearest below."""
    return rows[max((n for n in rows if n <= ipc), default=min(rows))]
