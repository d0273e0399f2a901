"""Files of the published PyTorch code into sets and stores, beside the real images they are of."""

import dataclasses
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.config.settings import Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.core.networks import make_network
from mttjax.core.preprocessing import Preprocessing, fit_preprocessing
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.distilled.official import read_published
from mttjax.evaluation.scorer import require_same_data
from mttjax.experts.official import import_buffers
from mttjax.experts.store import ExpertStore
from mttjax.runs.problem import Log, load_data

__all__ = ["imported_experts", "imported_set", "real_images"]


def real_images(settings: Settings[Any], log: Log = print) -> tuple[Settings[Any], Dataset]:
    """All training images of the settings, which the published code trains on, and the settings
    without a validation split.

    Raises:
      InputError: as ``load_dataset``.
    """
    data = dataclasses.replace(settings.data, validation=0)
    settings = dataclasses.replace(settings, data=data)
    return settings, load_data(settings, log)


def imported_set(
    images: Path,
    labels: Path | None,
    *,
    settings: Settings[Any],
    preprocessing: str,
    ops: tuple[str, ...],
    network: NetworkSpec,
    lr: float,
    experiment: int | None = None,
    factor: int | None = None,
    log: Log = print,
) -> DistilledSet:
    """A set of the published code's files; what they do not say is given.

    Args:
      images: their file, see ``read_published``.
      labels: their labels', where it has none.
      settings: whose ``data`` says which real images.
      preprocessing: how the images were normalised, ``standardize`` or ``zca``; as the published
        code does it, by all training images where nothing is published.
      ops: DSA's operations that networks are trained with.
      network: that it was distilled for.
      lr: α.
      experiment, factor: as ``read_published``.
      log: called with lines that say what was read.

    Raises:
      InputError: as ``read_published`` and ``load_dataset``, images of another shape than the real
        ones, or a network that does not fit them.
    """
    settings, dataset = real_images(settings, log)
    make_network(network, dataset.image_shape, dataset.n_classes)
    read = read_published(
        images, labels, classes=dataset.n_classes, experiment=experiment, factor=factor, log=log
    )
    dataset_preprocessing = _fitted(preprocessing, settings, dataset)
    x = np.asarray(dataset_preprocessing(255 * read.images)) if read.in_pixels else read.images
    log(
        f"normalised images: mean {x.mean():.2f}, root mean square {np.sqrt((x**2).mean()):.2f}; "
        "of real images these are about 0 and 1"
    )
    sources = [path for path in (images, labels) if path is not None]
    distilled = DistilledSet(
        images=x,
        labels=read.labels,
        lr=lr,
        preprocessing=dataset_preprocessing,
        ops=ops,
        network=network,
        dataset=dataset.name,
        class_names=dataset.class_names,
        settings={
            "method": "imported",
            "source": {path.name: f"{zlib.crc32(path.read_bytes()):08x}" for path in sources},
            "data": settings.decisive()["data"],
            "real_images": dataset.identity,
        },
    )
    require_same_data(distilled, dataset)
    return distilled


def imported_experts(
    buffers: Sequence[Path],
    folder: Path,
    recipe: Recipe,
    *,
    settings: Settings[Any],
    log: Log = print,
) -> tuple[ExpertStore, Dataset]:
    """A store of the published code's buffers, and the real images.

    Args:
      buffers: ``replay_buffer_*.pt``.
      folder: of the store.
      recipe: by which the experts were trained.
      settings: whose ``data`` says which real images.
      log: called with lines that say what was read.

    Raises:
      InputError: as ``import_buffers`` and ``load_dataset``.
    """
    settings, dataset = real_images(settings, log)
    recipe = dataclasses.replace(recipe, statistics=settings.data.statistics)
    preprocessing = _fitted(recipe.preprocessing, settings, dataset)
    return import_buffers(buffers, folder, recipe, dataset, preprocessing, log), dataset


def _fitted(kind: str, settings: Settings[Any], dataset: Dataset) -> Preprocessing:
    images = np.ascontiguousarray(dataset.train.images)
    return fit_preprocessing(kind, images, dataset=settings.data.statistics or dataset.name)
