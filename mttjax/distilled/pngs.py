"""A distilled set as one PNG per image, and what a PNG cannot say of it."""

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.core.preprocessing import ZCA
from mttjax.distilled.set import DistilledSet
from mttjax.system.errors import InputError
from mttjax.system.files import write_json

__all__ = ["HOW_TO_USE", "export_pngs", "folder_names"]

HOW_TO_USE = "how_to_use.json"
"""Beside the PNGs: labels, rate, preprocessing, augmentation and network."""


def export_pngs(distilled: DistilledSet, folder: str | Path) -> list[Path]:
    """Writes every image as a PNG, in one sub-folder for each class that has images, and
    ``how_to_use.json`` with what a training on them needs. Where labels are soft an image is of
    no one class: all lie in ``folder`` itself, and their probabilities are in the JSON.

    A pixel holds less than a set: what is darker than black or lighter than white is clipped
    (``DistilledSet.clipped`` says how much), which costs accuracy.

    Args:
      distilled: a set of images with 1 or 3 channels.
      folder: made if need be. Sub-folders carry the class names with everything but
        letters, digits, ``-``, ``_``, ``.`` and spaces replaced; equal names get the class number.

    Returns:
      The paths, ``<folder>/<class>/000.png`` and so on, in the order of ``distilled.images``;
      with soft labels ``<folder>/000.png``.

    Raises:
      InputError: images of another number of channels, or ``folder`` is a file or holds PNGs
        that this call would not replace.
    """
    from PIL import Image

    channels = distilled.images.shape[-1]
    if channels not in (1, 3):
        raise InputError(f"a PNG has 1 or 3 channels, the distilled images have {channels}")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the PNGs")
    paths = [folder / name for name in _names(distilled)]
    others = sorted(set(folder.rglob("*.png")) - set(paths))
    if others:
        raise InputError(f"{folder}: holds other PNGs, such as {others[0]}; give an empty folder")
    for path, pixels in zip(paths, distilled.pixels(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    write_json(folder / HOW_TO_USE, _how_to_use(distilled))
    return paths


def _names(distilled):
    """Where each image goes, within the folder."""
    if distilled.has_soft_labels:
        return [f"{number:03d}.png" for number in range(len(distilled.images))]
    folders = folder_names(distilled.class_names)
    names, counts = [], [0] * len(folders)
    for k in distilled.classes:
        names.append(f"{folders[k]}/{counts[k]:03d}.png")
        counts[k] += 1
    return names


def _how_to_use(distilled) -> dict[str, Any]:
    """JSON values."""
    preprocessing, soft = distilled.preprocessing, distilled.has_soft_labels
    statistics = {
        name: np.asarray(array, np.float64).tolist()
        for name, array in preprocessing._asdict().items()
        if np.ndim(array) == 1 and not isinstance(preprocessing, ZCA)
    }
    whitened = "whitening as in the set's .npz, members preprocessing_*, of pixel / 255"
    return {
        "about": f"images distilled from {distilled.dataset}; a network is trained on them so",
        "clipped": distilled.clipped(),
        "clipped_is": "the share of numbers that a PNG cannot hold; the .npz has them whole",
        "learning_rate": distilled.lr,
        "preprocessing": {"kind": preprocessing.kind} | statistics,
        "preprocessing_is": "(pixel / 255 - mean) / std" if statistics else whitened,
        "augmentation": list(distilled.ops),
        "network": dataclasses.asdict(distilled.network),
        "classes": list(distilled.class_names),
        "labels": dict(
            zip(
                _names(distilled),
                distilled.labels.tolist() if soft else distilled.classes.tolist(),
                strict=True,
            )
        ),
        "labels_are": "probabilities of the classes" if soft else "indices of the classes",
    }


# Devices under Windows, whatever ending they have.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def folder_names(class_names: Sequence[str]) -> list[str]:
    """Distinct names, also where the file system ignores case, that cannot leave their folder."""
    names, taken = [], set()
    for k, class_name in enumerate(class_names):
        stem = unicodedata.normalize("NFKC", class_name)
        stem = re.sub(r"[^\w\-. ]", "_", stem)[:60].strip(" .") or "class"
        if _RESERVED.fullmatch(stem):
            stem = f"_{stem}"
        name = stem
        while name.casefold() in taken:
            name = f"{name}-{k}"
        taken.add(name.casefold())
        names.append(name)
    return names
