"""What settings and options may be, checked before anything is loaded, made or written."""

import math

import jax
import numpy as np

from mttjax.config.methods import KINDS, RATES, Distill, LearnThrough
from mttjax.config.protocol import PROTOCOL_RANGES
from mttjax.config.settings import Settings
from mttjax.core.augmentation import OPERATIONS
from mttjax.core.networks import MOST_DEPTH, MOST_WIDTH, make_network
from mttjax.core.preprocessing import STATISTICS
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.system.errors import InputError
from mttjax.system.fields import Range, check_fields
from mttjax.system.memory import require_memory

__all__ = ["COUNT", "RANGES", "check_options", "check_settings", "require_room"]

MOST = 10**9  # JAX counts steps and images in 32 bits
COUNT, COUNT_OR_NONE = Range(1, MOST), Range(0, MOST)
EXPERTS = 10**6  # a store names them by at most six digits
POSITIVE, NOT_NEGATIVE = Range(1e-30, 1e30), Range(0, 1e30)  # what float32 holds
SHARE, AVERAGED = Range(0, 1), Range(0, 1, below=True)

RANGES = PROTOCOL_RANGES | {
    "full_accuracy": SHARE,
    "ipc": COUNT,
    # JAX takes the lower 32 bits of a larger seed: two seeds would be one.
    "seed": Range(0, 2**32 - 1),
    "data.validation": Range(0, 0.5),
    "resolution": Range(4, 1024),
    "classes": COUNT_OR_NONE,
    "depth": Range(1, MOST_DEPTH),
    "width": Range(1, MOST_WIDTH),
    # Of experts, runs and networks.
    "count": Range(1, EXPERTS),
    "parallel": Range(1, EXPERTS),
    "expert": Range(0, EXPERTS - 1),
    "held_out": Range(0, EXPERTS - 1),
    "validation.networks": Range(0, PROTOCOL_RANGES["networks"].high),
    "seeds": Range(1, EXPERTS),
    "draws": Range(1, EXPERTS),
    # Of images and steps.
    **dict.fromkeys(("starts", "evaluate_every", "halve_at", "halve_every"), COUNT_OR_NONE),
    **dict.fromkeys(("network_epochs",), COUNT_OR_NONE),
    **dict.fromkeys(("base_batch", "real_batch", "chunk", "classes_at_once"), COUNT),
    **dict.fromkeys(("expert_epochs", "max_start", "patience", "passes"), COUNT),
    **dict.fromkeys(("steps", "student_steps", "image_steps", "every", "save_every"), COUNT),
    "trajectories": COUNT,
    "fallbacks": Range(0, 30),
    # Rates; one that is not learned may be 0: the images, labels or networks stay as they are.
    "lr": POSITIVE,
    # Beyond, every step of a distillation would be refused; see ``outer_step``.
    "distill.lr": Range(*RATES),
    **dict.fromkeys(("lr_img", "lr_lr", "lr_labels", "network_lr"), NOT_NEGATIVE),
    **dict.fromkeys(("beta1", "decay"), AVERAGED),
}
"""Every number of the settings and of the commands' options; see ``check_fields``."""


def check_options(options):
    """Raises ``InputError`` unless every field of an options dataclass is within ``RANGES``."""
    check_fields(options, RANGES)


def check_settings(settings):
    """Checks all of a run's settings by themselves, without the data.

    Raises:
      InputError: a setting of another type, out of its range, or unknown; the option is named.
    """
    if not isinstance(settings, Settings):
        raise InputError(f"these are no Settings but {type(settings).__name__}")
    check_options(settings)
    kind = KINDS.get(settings.method)
    if type(settings.distill) is not kind:
        wanted = f"its settings are {kind.__name__}" if kind else f"known are {', '.join(KINDS)}"
        found = type(settings.distill).__name__
        raise InputError(f"--method {settings.method!r}: {wanted}, and distill is {found}")
    if not settings.name.strip(". ") or "/" in settings.name or not settings.name.isprintable():
        raise InputError(
            f"--name {settings.name!r}: a name for the run, without /; --run.folder takes a path"
        )
    _check_names("ops", settings.ops, OPERATIONS)
    _check_names("data.classes", settings.data.classes or ())
    if settings.data.statistics not in (None, *STATISTICS):
        raise InputError(
            f"--data.statistics {settings.data.statistics!r}: known are {', '.join(STATISTICS)}"
        )
    entry = CATALOGUE.get(settings.data.dataset)
    if entry is not None:
        classes = settings.data.classes or entry.class_names
        if len(classes) > 1:  # fewer are refused with the data
            require_room(settings, entry.shape, len(classes))


def _check_names(name, values, known=None):
    unknown = [] if known is None else [value for value in values if value not in known]
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if unknown:
        listed = ", ".join(map(repr, unknown))
        raise InputError(f"--{name} {listed}: known are {' '.join(known)}")
    if twice:
        raise InputError(
            f"--{name} {' '.join(map(str, values))}: {', '.join(twice)} is there twice"
        )


def require_room(settings, image_shape, classes):
    """Refuses settings whose images and networks alone need more memory than there is.

    Args:
      settings: a ``Settings`` that ``check_settings`` let pass.
      image_shape: (H, W, C) of the data.
      classes: K.

    Raises:
      InputError: they do not fit; or the network does not fit the images.
    """
    network = make_network(settings.network, image_shape, classes)
    leaves = jax.tree.leaves(jax.eval_shape(network.init, jax.random.key(0)))
    params = 4 * sum(math.prod(leaf.shape) for leaf in leaves)
    distill, n = settings.distill, settings.ipc * classes
    # The images, their gradient and its average; a student's parameters at every step.
    images = 4 * n * math.prod(image_shape) * (1 if settings.method in _SELECTING else 3)
    held = 2
    if isinstance(distill, Distill):
        held = distill.student_steps + 2 * distill.trajectories
    if isinstance(distill, LearnThrough):
        held = distill.passes * settings.ipc
    zca = settings.preprocessing == "zca"
    whitening = 2 * np.dtype(np.float64).itemsize * math.prod(image_shape) ** 2 if zca else 0
    require_memory(
        images + 4 * n * classes + params * held + whitening,
        f"--ipc {settings.ipc} of {'x'.join(map(str, image_shape))} pixels and {classes} classes "
        f"with {params // 4:,} parameters of the network ({_network(settings.network)}), "
        f"{held} times{', and --preprocessing zca' if zca else ''},",
    )


_SELECTING = tuple(method for method, kind in KINDS.items() if kind.__name__ == "Select")


def _network(spec):
    return f"--network.depth {spec.depth} --network.width {spec.width}"
