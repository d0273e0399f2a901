"""What a run's sets are shown beside: a real image of each class, networks trained on all."""

import contextlib
from typing import NamedTuple

import numpy as np

from mttjax.datasets.dataset import Dataset
from mttjax.experts.store import ExpertStore
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError

__all__ = ["Beside", "beside", "keep_beside", "real_images"]


class Beside(NamedTuple):
    """What a page shows beside the sets of a run."""

    real: dict[int, np.ndarray]
    """class -> a real image of it, [H, W, C] uint8."""
    accuracies: np.ndarray
    """Of the experts on the test images after their last epoch, in [0, 1]; empty: none known."""
    epochs: int


def real_images(dataset: Dataset) -> dict[int, np.ndarray]:
    """class -> its first training image."""
    classes, first = np.unique(dataset.train.labels, return_index=True)
    images = dataset.train.images
    return {int(k): np.asarray(images[i]) for k, i in zip(classes, first, strict=True)}


def keep_beside(folder: RunFolder, dataset: Dataset, store: ExpertStore | None = None) -> None:
    """Keeps it in a run's folder, unless it is there.

    Args:
      folder: of the run.
      dataset: the real images.
      store: the experts; what they reach is left out where they were tested on other images.
    """
    with contextlib.suppress(InputError):  # a damaged one is made again
        if folder.beside():
            return
    real, epochs = real_images(dataset), 0
    last: dict[int, float] = {}
    with contextlib.suppress(InputError):  # a damaged store, where the method needs none
        if store is not None and store.exists and store.tested_on(dataset):
            last, epochs = store.trained_longest()
    folder.save_beside(
        {
            "classes": np.array(list(real)),
            "images": np.stack(list(real.values())),
            "accuracies": np.array(list(last.values()), np.float64),
            "epochs": np.array(epochs),
        }
    )


def beside(folder: RunFolder) -> Beside:
    """What was kept; nothing of a run of an earlier version.

    Raises:
      InputError: the file is damaged.
    """
    if not (arrays := folder.beside()):
        return Beside({}, np.zeros(0), 0)
    try:
        real = {int(k): i for k, i in zip(arrays["classes"], arrays["images"], strict=True)}
        return Beside(real, arrays["accuracies"].astype(float), int(arrays["epochs"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder.beside_path}: not what a run keeps there ({error!r}); remove it"
        ) from error
