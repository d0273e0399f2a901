"""What a run is about: settings, data, experts, preprocessing and network, looked at once."""

import contextlib
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from mttjax.config.methods import DD, MATCHING, MTT, NEED_EXPERTS, SELECTIONS
from mttjax.config.settings import Settings
from mttjax.core.networks import Network, make_network
from mttjax.core.preprocessing import ZCA, Standardize, fit_preprocessing
from mttjax.core.training import STUDENT_TILE, TRAINING_TILE, fitting_tile
from mttjax.datasets.dataset import Dataset
from mttjax.datasets.loading import load_dataset
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError
from mttjax.system.memory import require_memory

__all__ = ["Problem", "load_data", "prepare", "require_room"]

Log = Callable[[str], object]


class Problem(NamedTuple):
    """All that a distillation or a selection needs beside a folder."""

    settings: Settings[Any]
    dataset: Dataset
    store: ExpertStore
    """The experts; empty where the method looks at none and there are none."""
    preprocessing: Standardize | ZCA
    network: Network

    @property
    def trained_network(self) -> Network:
        """``network`` in the form for trainings that nothing is differentiated through."""
        sizes, tile = (
            (self.dataset.image_shape, self.dataset.n_classes),
            fitting_tile(TRAINING_TILE),
        )
        return make_network(self.settings.network, *sizes, tile=tile)

    def decisive(self) -> dict[str, Any]:
        """All that decides a run, as JSON values: its settings, and whose images they are."""
        return self.settings.decisive() | {"real_images": self.dataset.identity}


def load_data(settings: Settings[Any], log: Log | None = print) -> Dataset:
    """The real images of the settings; ``log`` is called with a line that says what was read."""
    return load_dataset(settings.data.dataset, **settings.data.source, log=log)


def prepare(settings: Settings[Any], dataset: Dataset | None = None, log: Log = print) -> Problem:
    """Loads and fits what the settings speak of, each once; what cannot work is refused here.

    Args:
      settings: of any method.
      dataset: the real images, if they are loaded already.
      log: called with a line that says what was read, and where something was repaired.

    Raises:
      InputError: no data, no experts where the method needs them, experts of another recipe, a
        network that does not fit the images, or more memory needed than there is.
    """
    store = ExpertStore(settings.expert_folder, log)
    if settings.method in MATCHING and not store.experts_with(settings.distill.epochs_needed):
        raise InputError(
            f"{settings.expert_folder}: no experts there have the {settings.distill.epochs_needed} "
            "epochs that are read. Train them with train_experts"
        )
    dataset = dataset or load_data(settings, log)
    sizes, tile = (dataset.image_shape, dataset.n_classes), fitting_tile(STUDENT_TILE)
    network = make_network(settings.network, *sizes, tile=tile)
    require_room(settings, network)
    preprocessing = _preprocessing(settings, dataset, store)
    return Problem(settings, dataset, store, preprocessing, network)


def _preprocessing(settings, dataset, store):
    """That of the experts where there are some that see the images so, else fitted anew."""
    if store.exists:
        recipe, needed = settings.recipe(), settings.method in NEED_EXPERTS
        with contextlib.nullcontext() if needed else contextlib.suppress(InputError):
            store.require(recipe, dataset)
            if settings.preprocessing == recipe.preprocessing == "zca":
                return store.preprocessing  # fitting it takes half a minute
    images = np.ascontiguousarray(dataset.train.images)
    known = settings.data.statistics or dataset.name
    return fit_preprocessing(settings.preprocessing, images, dataset=known)


def require_room(settings: Settings[Any], network: Network) -> None:
    """Raises ``InputError`` where images and networks alone need more memory than there is."""
    distill, pixels = settings.distill, math.prod(network.image_shape)
    n = settings.ipc * network.classes * getattr(distill, "images_of_one", 1)
    numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(network.shapes))
    # The images, their gradient and its average; a student's parameters at every step.
    images = n * pixels * (1 if settings.method in SELECTIONS else 3)
    held = 2
    if isinstance(distill, MTT):
        held = distill.student_steps + 2 * distill.trajectories
    if isinstance(distill, DD):
        held = distill.passes * settings.ipc
    zca = settings.preprocessing == "zca"
    whitening = 2 * np.dtype(np.float64).itemsize * pixels**2 if zca else 0
    require_memory(
        4 * (images + n * network.classes + numbers * held) + whitening,
        f"ipc {settings.ipc} of {'x'.join(map(str, network.image_shape))} pixels and "
        f"{network.classes} classes with {numbers:,} parameters of the network "
        f"({_size(settings.network)}), {held} times"
        f"{', and zca' if zca else ''},",
    )


def _size(spec):
    return spec.name if spec.is_own else f"depth {spec.depth}, width {spec.width}"
