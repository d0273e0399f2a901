"""Tiny ImageNet in the layout of its own archive."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mttjax.datasets.classes import choose_classes
from mttjax.datasets.dataset import Source
from mttjax.datasets.folders import read_listings
from mttjax.datasets.listing import Listing, join_listings, list_images
from mttjax.datasets.reading import Size
from mttjax.system.errors import InputError

__all__ = ["read_tiny_imagenet"]

_ARCHIVE_FOLDER = "tiny-imagenet-200"
_ANNOTATIONS = "val/val_annotations.txt"


def read_tiny_imagenet(folder: Path, *, size: Size, classes: Sequence[str | int] | None) -> Source:
    """Reads the unpacked archive; its validation images are the test set.

    Args:
      folder: the unpacked ``tiny-imagenet-200`` or the folder that holds it.
      size: what images are brought to, 64 x 64 unless it says otherwise.
      classes: wnids, first words of ``words.txt``, or indices into ``wnids.txt``; None for all.
        Only those are read.

    Raises:
      InputError: a file of the layout is missing or damaged, a class is empty, an
        image cannot be read.
    """
    if (folder / _ARCHIVE_FOLDER).is_dir():
        folder = folder / _ARCHIVE_FOLDER
    wnids = _wnids(folder)
    words = _words(folder, wnids)
    by_wnid = classes is not None and all(k in wnids for k in classes)
    indices, how = choose_classes(classes, wnids if by_wnid else words)
    kept = {wnids[k]: label for label, k in enumerate(indices)}
    passed: Counter[str] = Counter()
    test = _validation(folder, wnids, kept)
    listings = {"train": _training(folder, kept, passed), "test": test}
    size = size if size.resolution else size._replace(resolution=64)
    source = read_listings(tuple(words[k] for k in indices), listings, size, folder, passed)
    return source._replace(origins={"classes": how, "test": "val/"})


def _wnids(folder: Path) -> list[str]:
    wnids = _lines(folder, "wnids.txt")
    for k, wnid in enumerate(wnids):
        # They become names of folders, and must not lead out of this one.
        if not re.fullmatch(r"\w+", wnid, re.ASCII) or wnid in wnids[:k]:
            fault = f"names {wnid!r}{' twice' if wnid in wnids[:k] else ''}"
            raise InputError(f"{folder / 'wnids.txt'} {fault}; expected names such as n01443537")
    return wnids


def _lines(folder: Path, name: str) -> list[str]:
    try:
        text = (folder / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {folder / name}: {error}. Expected the unpacked {_ARCHIVE_FOLDER}.zip: "
            f"wnids.txt, train/<wnid>/images/*.JPEG and {_ANNOTATIONS}"
        ) from error
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _training(folder: Path, kept: Mapping[str, int], passed: Counter[str]) -> Listing:
    folders = [folder / "train" / wnid / "images" for wnid in kept]
    if missing := [images for images in folders if not images.is_dir()]:
        raise InputError(f"{missing[0]} is missing, but wnids.txt names {missing[0].parent.name}")
    return join_listings([list_images(images, passed) for images in folders])


def _validation(folder: Path, wnids: Sequence[str], kept: Mapping[str, int]) -> Listing:
    known, paths, labels = set(wnids), [], []
    for line in _lines(folder, _ANNOTATIONS):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in known:
            raise InputError(
                f"{folder / _ANNOTATIONS} has {line!r}; expected an image and one of the classes "
                "in wnids.txt, separated by tabs"
            )
        if wnid in kept:
            # The name only: an annotation must not lead out of the folder.
            paths.append(folder / "val" / "images" / Path(name).name)
            labels.append(kept[wnid])
    return Listing(paths, np.array(labels, np.int32))


def _words(folder: Path, wnids: Sequence[str]) -> list[str]:
    """The first word for each class from words.txt where that is there, else the wnid."""
    words = {}
    if (folder / "words.txt").is_file():
        for line in _lines(folder, "words.txt"):
            wnid, _, synonyms = line.partition("\t")
            words[wnid] = synonyms.partition(",")[0].strip()
    return [words.get(wnid) or wnid for wnid in wnids]
