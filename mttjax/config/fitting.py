"""What of the settings follows from the images: for the user's own, which no preset knows."""

import dataclasses
import functools
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mttjax.config.matching import MTT
from mttjax.config.settings import Settings
from mttjax.system.errors import InputError

__all__ = ["fit_to_data"]

_RESOLUTION = 64
"""Of a folder whose images have several sizes."""
_STEPS = 20
"""At least so many steps has an epoch of an expert, where its batch is above the least."""
_LEAST_BATCH, _MOST_BATCH = 16, 256


def fit_to_data(settings: Settings[Any], given: Collection[str] = ()) -> Settings[Any]:
    """Settings that suit the images in their ``data.dir``, which are read for it.

    An ``.npz`` is ``arrays``, a folder ``image_folder``. A folder of several sizes is brought to 64
    pixels. The convnet has depth 3 at 23 to 45 pixels a side, and one more whenever that doubles.
    An epoch of an expert has 20 steps or more, down to batches of 16. All synthetic images are one
    minibatch, of more than 256 a divisor of them, or 256 where none is near.

    Args:
      settings: with ``data.dir``.
      given: settings that are to stay, such as ``network.depth``.

    Raises:
      InputError: no ``data.dir``, or images that cannot be read.
    """
    if settings.data.dir is None:
        raise InputError(f"{settings.name} needs images: give a folder, or an .npz, as data.dir")
    data, distill = _data(settings.data, given), settings.distill
    (height, width, _), classes, n = _facts(data)
    network, experts = settings.network, settings.experts
    if network.name == "convnet" and "network.depth" not in given:
        network = dataclasses.replace(network, depth=_depth(min(height, width)))
    if "experts.batch" not in given:
        experts = dataclasses.replace(experts, batch=_batch(n))
    if isinstance(distill, MTT) and "distill.batch" not in given:
        images = settings.ipc * classes * distill.images_of_one
        distill = dataclasses.replace(distill, batch=_minibatch(images))
    return dataclasses.replace(
        settings, data=data, network=network, experts=experts, distill=distill
    )


def _data(data, given):
    from mttjax.datasets.reading import have_one_size  # help is had without NumPy

    path = Path(data.dir).expanduser()
    if "data.dataset" not in given:
        kind = "image_folder" if path.is_dir() or path.suffix != ".npz" else "arrays"
        data = dataclasses.replace(data, dataset=kind)
    unsized = data.dataset == "image_folder" and "data.resolution" not in given
    if unsized and path.is_dir() and not have_one_size(path):
        data = dataclasses.replace(data, resolution=_RESOLUTION)
    return data


@functools.lru_cache(maxsize=4)
def _facts(data):
    """((H, W, C), classes, training images)"""
    from mttjax.datasets.loading import load_dataset

    dataset = load_dataset(data.dataset, **data.source)
    return dataset.image_shape, dataset.n_classes, len(dataset.train.labels)


def _depth(side):
    """3 from 23 to 45 pixels, 4 to 90, 5 to 181, 6 beyond; 2 down to 8."""
    return min(6, max(2 if side >= 8 else 1, round(math.log2(side)) - 2))


def _batch(n):
    """A power of two."""
    return min(_MOST_BATCH, max(_LEAST_BATCH, 2 ** int(math.log2(max(1, n / _STEPS)))))


def _minibatch(images):
    """None for all."""
    if images <= _MOST_BATCH:
        return None
    near = range(_MOST_BATCH, _MOST_BATCH // 2, -1)
    return next((batch for batch in near if images % batch == 0), _MOST_BATCH)
