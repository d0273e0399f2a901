"""The methods: their names, and a class of settings for each kind."""

import dataclasses
from typing import Annotated, Literal

from mttjax.config.matching import MTT, RATES, Loop
from mttjax.system.errors import InputError
from mttjax.system.fields import (
    COUNT,
    COUNT_OR_ZERO,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE_BELOW_ONE,
    Checked,
)
from mttjax.system.text import did_you_mean

__all__ = [
    "DD",
    "KINDS",
    "LD",
    "MATCHING",
    "METHODS",
    "MTT",
    "NEED_EXPERTS",
    "PAPER_METHODS",
    "RATES",
    "SELECTIONS",
    "TITLES",
    "Condensation",
    "Forgetting",
    "Loop",
    "Selection",
    "require_method",
]


@dataclasses.dataclass(frozen=True)
class Condensation(Loop):
    """DC, DSA, DM or CAFE: what is matched at one network, and how the images move."""

    match: Literal["gradients", "means", "layers"] = "gradients"
    """What is matched. `gradients`: DC and DSA; `means`: DM, of the embedding; `layers`: CAFE, of
    all layers."""
    augmented: bool = True
    """Real and synthetic images augmented alike by the settings' `ops`; off in DC and CAFE."""
    real_batch: Annotated[int, COUNT] = 256
    """Real images of a class per step (R); all of them where there are fewer."""
    image_steps: Annotated[int, COUNT] = 1
    """Steps of the images with one network, before another takes its place (the outer loop)."""
    network_epochs: Annotated[int, COUNT_OR_ZERO] = 1
    """Passes of the network over the synthetic images between two of them (the inner loop)."""
    network_lr: Annotated[float, NOT_NEGATIVE] = 0.01
    """The learning rate of the network."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 0.1
    """The learning rate of the images."""
    halve_at: Annotated[tuple[int, ...], COUNT_OR_ZERO] = ()
    """Steps at which the rate of the images is halved."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """The momentum of the SGD that moves the images."""
    lr: Annotated[float, RATES] = 0.01
    """The learning rate that the set is evaluated at (α); it is not learned."""
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
    """Real images that the student is tested on (R)."""
    lr: Annotated[float, RATES] = 0.02
    """The rate of every student step to begin with; published: .02 gray, .001 colour."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 0.01
    """The learning rate of Adam, for the images and for the logarithm of every step's rate."""
    halve_every: Annotated[int, COUNT_OR_ZERO] = 0
    """Steps between halvings of Adam's rate; 0: never."""
    beta1: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """The first decay rate of Adam (β₁)."""
    augmented: bool = True
    """Real images with colours are shifted by up to 4 pixels and flipped; gray ones never are."""


@dataclasses.dataclass(frozen=True)
class LD(Loop):
    """Label distillation (Bohdal et al., 2020): the student's step, how labels and network move."""

    base_batch: Annotated[int, COUNT] = 50
    """Base images of a step (B); all where there are fewer."""
    real_batch: Annotated[int, COUNT] = 1024
    """Real images that the student is tested on (R)."""
    lr: Annotated[float, RATES] = 0.01
    """The learning rate of the student's step (α): the set is evaluated at it; not learned."""
    lr_labels: Annotated[float, NOT_NEGATIVE] = 1e-3
    """The learning rate of Adam for the labels."""
    network_lr: Annotated[float, NOT_NEGATIVE] = 1e-3
    """The learning rate of Adam for the network, which takes a step on the base images after every
    other."""
    patience: Annotated[int, COUNT] = 50
    """Steps that the error on real images is averaged over, and steps after the least average
    until a fresh network begins."""


@dataclasses.dataclass(frozen=True)
class Selection(Checked):
    """The selection of real images: random, or herding and k_center by an expert's features."""

    expert: Annotated[int, COUNT_OR_ZERO] = 0
    """Whose features herding and k_center look at, after the last epoch it has."""
    lr: Annotated[float, POSITIVE] = 0.01
    """The learning rate that the set is evaluated at (α)."""


@dataclasses.dataclass(frozen=True)
class Forgetting(Checked):
    """The selection of the images forgotten most often in a training of its own."""

    networks: Annotated[int, COUNT] = 3
    """How many networks are trained; what they forget is summed."""
    epochs: Annotated[int, COUNT] = 30
    """Epochs of each, so many that nearly every image is learned once."""
    network_lr: Annotated[float, POSITIVE] = 0.01
    """The learning rate of the networks."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    """The momentum of the networks' SGD."""
    batch: Annotated[int, COUNT] = 128
    """Real images per gradient step."""
    never_learned: Literal["last", "first"] = "last"
    """Whether images that a network never learned are taken last or first. Most are labelled wrong;
    Toneva et al. count them as most forgotten."""
    lr: Annotated[float, POSITIVE] = 0.01
    """The learning rate that the set is evaluated at (α)."""


SELECTIONS = ("random", "herding", "k_center", "forgetting")

KINDS: dict[str, type[Loop] | type[Selection] | type[Forgetting]] = {
    **dict.fromkeys(SELECTIONS, Selection),
    "forgetting": Forgetting,
    "dd": DD,
    "ld": LD,
    **dict.fromkeys(("dc", "dsa", "dm", "cafe", "cafe_dsa"), Condensation),
    **dict.fromkeys(("mtt", "datm"), MTT),
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
    "datm": "DATM",
}
"""The methods in the order of the paper's table, and what tables call them."""

METHODS = tuple(TITLES)

PAPER_METHODS = tuple(method for method in METHODS if method != "datm")
"""Those of the paper's table."""

MATCHING = ("mtt", "datm")
"""Those that match trajectories: their experts see the images as they do."""

NEED_EXPERTS = ("herding", "k_center", *MATCHING)
"""The methods that look at trained experts."""


def require_method(method: str) -> None:
    """Raises ``InputError`` unless there is a method of that name; the nearest is given."""
    if method not in METHODS:
        raise InputError(f"method is {method!r}: {did_you_mean(method, METHODS)}")
