"""Real images: bundled, from archives, prepared by TFDS, from a folder, from an ``.npz``."""

from mttjax.datasets.dataset import Dataset, Split
from mttjax.datasets.imagenet import IMAGENET_SUBSETS
from mttjax.datasets.loading import DATASET_NAMES, load_dataset
from mttjax.datasets.preparing import prepare_from_archives

__all__ = [
    "DATASET_NAMES",
    "IMAGENET_SUBSETS",
    "Dataset",
    "Split",
    "load_dataset",
    "prepare_from_archives",
]
