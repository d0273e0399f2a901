"""Real images in: bundled, from archives, prepared by TFDS, from a folder, from an ``.npz``.

Whatever the source, uint8 images and int32 labels come out, in an order that depends on nothing
but the data. The room knows nothing of networks, settings or methods. Files are a stranger's: they
are read within a stated size, nothing of them is run, and every fault is an ``InputError``.
"""

from mttjax.datasets.catalogue import IMAGENET_SUBSETS
from mttjax.datasets.dataset import Dataset, Split
from mttjax.datasets.images import Fit
from mttjax.datasets.loading import DATASET_NAMES, dataset_name, load_dataset
from mttjax.datasets.preparing import prepare_from_archives

__all__ = [
    "DATASET_NAMES",
    "IMAGENET_SUBSETS",
    "Dataset",
    "Fit",
    "Split",
    "dataset_name",
    "load_dataset",
    "prepare_from_archives",
]
