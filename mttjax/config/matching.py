"""The outer loop's settings, and those of trajectory matching."""

import dataclasses
from functools import partial
from typing import Annotated, ClassVar, Literal

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

__all__ = ["MTT", "RATES", "Loop"]

RATES = Range(1e-6, 100.0)
"""Least and largest α of a student's step; learned ones were seen from .001 to .1."""


@dataclasses.dataclass(frozen=True)
class Loop(Checked):
    """The outer loop, whatever the method."""

    steps: Annotated[int, COUNT] = 5000
    """Steps of the images, each with its own batch (outer steps)."""
    chunk: Annotated[int | None, COUNT] = None
    """Images computed at once, a divisor of the student's minibatch; the gradient is the same,
    the memory smaller. None: what fits a CPU's caches, all on an accelerator."""
    initial: str = "real"
    """What the images are before the first step: `real` ones, `noise`, or those of a distilled set,
    an .npz, with its labels and rate; its classes may have unequal numbers in `mtt` and `ld`."""
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

    INITIALS: ClassVar[tuple[str, ...]] = ("real", "noise")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial not in self.INITIALS and not self.initial.endswith(".npz"):
            raise InputError(
                f"initial is {self.initial!r}: must be one of {', '.join(self.INITIALS)}, or a "
                "distilled set, an .npz"
            )


@dataclasses.dataclass(frozen=True)
class MTT(Loop):
    """Matching training trajectories (Cazenavette et al., CVPR 2022), and what came after it."""

    student_steps: Annotated[int, COUNT] = 30
    """Gradient steps of the student on the synthetic images (S)."""
    expert_epochs: Annotated[int, COUNT] = 2
    """Epochs of the expert from start to target (M)."""
    max_start: Annotated[int, COUNT] = 20
    """The expert's epoch to start at is drawn from `min_start` to this less 1 (T⁺)."""
    min_start: Annotated[int, COUNT_OR_ZERO] = 0
    """The least epoch to start at (T⁻)."""
    growth: Annotated[Literal["auto"] | tuple[int, int] | None, COUNT] = None
    """An epoch and a number of steps: in so many steps the upper end of the epochs to start at
    rises from that epoch to `max_start`. `auto`: it rises from the first epoch by itself, as the
    images come to follow the experts, and `max_start` is the most. None: it is that from the
    first."""
    most_loss: Annotated[float | None, POSITIVE] = None
    """A step whose loss is above this moves nothing. None: all do."""
    batch: Annotated[int | None, COUNT] = None
    """Synthetic images per step of the student (B); what is over when it does not divide their
    number is left out of every pass. None: all of them."""
    lr_img: Annotated[float, NOT_NEGATIVE] = 100.0
    """The learning rate of the images."""
    lr_lr: Annotated[float, NOT_NEGATIVE] = 0.1
    """The learning rate of the student's learning rate (of log α)."""
    lr_lr_in: Literal["log", "alpha"] = "log"
    """What `lr_lr` is a rate of. `alpha`: of α itself, as published; log α then moves by lr_lr / α²
    times its gradient, which moves α as published to first order."""
    lr: Annotated[float, RATES] = 0.01
    """The student's learning rate to begin with (α₀)."""
    momentum: Annotated[float, SHARE_BELOW_ONE] = 0.5
    """The momentum of the SGD that moves images and log α."""
    initial: str = "real"
    """What the images are before the first step: `real` ones, `correct` (real ones that an expert
    knows), `noise`, or those of a distilled set, an .npz, with its labels and rate."""
    decoder: Literal["none", "tiles", "dct"] = "none"
    """What is learned in the place of images, as many numbers: `tiles`, canvases of coarser images
    side by side; `dct`, the cosine coefficients that vary most within a class."""
    factor: Annotated[int, Range(1, 64)] = 2
    """A decoder makes the square of this from the storage of one image."""
    labels: Literal["fixed", "learned"] = "fixed"
    """`learned`: soft labels, which begin as what experts say of the first images and are moved
    with them."""
    lr_labels: Annotated[float, NOT_NEGATIVE] = 1.0
    """The learning rate of the labels' logits, where they are learned."""
    label_momentum: Annotated[float, SHARE_BELOW_ONE] = 0.9
    """The momentum of the SGD that moves them."""
    label_epoch: Annotated[int | None, COUNT] = None
    """The experts' epoch that says which images are known and what their labels begin as. None: the
    last that is matched."""
    clip: Annotated[float | None, Range(1, 10**6)] = None
    """A gradient of images, labels or log α that is longer than so many times the running geometric
    mean of such is shortened to that, such as 3. None: never."""
    trajectories: Annotated[int, COUNT] = 1
    """Pairs of expert snapshots per outer step (P); the mean of their losses is descended."""
    devices: Annotated[int | Literal["all"], COUNT] = "all"
    """How many devices of this process compute them; no bit depends on it. all: those it has, at
    most one for each."""
    derivative: Literal["mixed", "checkpoint", "plain"] = "mixed"
    """How the exact gradient is computed: `mixed` and `checkpoint` keep only
    the parameters of every step, `plain` every activation; their speeds hardly differ."""

    INITIALS: ClassVar[tuple[str, ...]] = ("real", "noise", "correct")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_start >= self.max_start:
            raise InputError(
                f"min_start is {self.min_start}: must be below max_start, {self.max_start}"
            )
        if isinstance(self.growth, tuple) and not self._grows(*self.growth):
            raise InputError(
                f"growth is {self.growth}: give an epoch above min_start, {self.min_start}, and to "
                f"max_start, {self.max_start}, and a number of steps"
            )

    def _grows(self, epoch: int = 0, *steps: int) -> bool:
        return len(steps) == 1 and self.min_start < epoch <= self.max_start

    @property
    def asks_experts(self) -> bool:
        """Whether experts choose the first images or say what their labels begin as."""
        return self.initial == "correct" or self.labels == "learned"

    @property
    def images_of_one(self) -> int:
        """Images that the storage of one holds."""
        return 1 if self.decoder == "none" else self.factor**2

    @property
    def epochs_needed(self) -> int:
        """The last epoch of an expert that this distillation reads."""
        matched = self.max_start - 1 + self.expert_epochs
        return max(matched, self.label_epoch or 0) if self.asks_experts else matched

    def window(self, step: int) -> tuple[int, int]:
        """(low, high) of step ``step``, from 0: the epoch to start at is low to high - 1."""
        if not isinstance(self.growth, tuple):
            return self.min_start, self.max_start
        first, steps = self.growth
        risen = (self.max_start - first) * step // steps
        return self.min_start, min(self.max_start, first + risen)
