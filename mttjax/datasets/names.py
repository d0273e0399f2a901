"""What settings say of a data set: what it is called, and how its images are brought to a size."""

import unicodedata
from pathlib import Path
from typing import Literal

from mttjax.datasets.catalogue import CATALOGUE

__all__ = ["DATASET_NAMES", "Fit", "composed", "dataset_name"]

DATASET_NAMES = ("digits", *CATALOGUE, "tiny_imagenet", "image_folder", "arrays")
"""What ``load_dataset`` knows."""

_OWN = ("image_folder", "arrays")

Fit = Literal["crop", "squash"]
"""How an image is brought to a square of R x R. ``crop``: its central square, antialiased, as
papers describe it. ``squash``: the whole of it, its sides each scaled by themselves, between the
four nearest pixels and without antialiasing, as the published code of MTT reads ImageNet
(torchvision 0.12, ``Resize`` of tensors to a pair of sizes)."""


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC): what looks the same is the same."""
    return unicodedata.normalize("NFC", name)


def dataset_name(name: str, folder: str | Path | None) -> str:
    """What a dataset is called: a user's own by its folder or file.

    One that is called as a known dataset is has "own-" before it: that one's published figures
    and statistics are not its own.

    Args:
      name: one of ``DATASET_NAMES``.
      folder: where the data are.
    """
    if name not in _OWN or folder is None:
        return name
    path = Path(folder).expanduser()
    own = composed(path.stem if name == "arrays" else path.resolve().name) or name
    return f"own-{own}" if own in (*DATASET_NAMES, "imagenet") else own
