"""A folder of images with one sub-folder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.datasets.checks import check_names
from mttjax.datasets.dataset import Source, Split, check_classes, split_off
from mttjax.datasets.images import list_images, read_images
from mttjax.system.errors import InputError
from mttjax.system.seeds import rng

__all__ = ["Listing", "join_listings", "read_image_folder", "read_listings"]

_TEST_FRACTION = 0.2


class Listing(NamedTuple):
    """n image files and their labels, [n] int32."""

    paths: list[Path]
    labels: np.ndarray


def read_image_folder(
    folder: Path, *, resolution: int, classes: Sequence[int] | None, seed: int
) -> Source:
    """Reads ``folder/train/<class>/*`` and ``folder/test/<class>/*`` (or ``val``).

    With ``folder/<class>/*`` alone a fifth of every class, decided by ``seed``, is the
    test set. The classes are the training sub-folders by name; ``classes`` chooses and
    orders them, and only those are read. Links to folders and images are followed, wherever
    they lead: they are read and nothing is written. Hidden files and folders are passed over.

    Args:
      folder: an existing folder.
      resolution: R of the images, [n, R, R, 1] when all are greyscale, else [n, R, R, 3].
      classes: indices, or None for all.
      seed: of the test split, where one has to be made.

    Raises:
      InputError: no class, an empty one, one whose name has control characters, a test class
        that is not a training class, training images without test images, an image that cannot
        be read.
    """
    train_root, test_root = _layout(folder)
    names = [path.name for path in _sub_folders(train_root)]
    if not names:
        raise InputError(f"{folder} has no sub-folder; expected one a class, or train/ and test/")
    check_names(names)
    kept = [names[k] for k in check_classes(classes, len(names))]
    training = _listing(train_root, kept)
    if test_root is None:
        training, test = _made_split(training, seed)
    else:
        strange = sorted({path.name for path in _sub_folders(test_root)} - set(names))
        if strange:
            raise InputError(f"{test_root} has the class {strange[0]!r}, {train_root} has not")
        test = _listing(test_root, kept)
    return read_listings(tuple(kept), training, test, resolution)


def read_listings(
    class_names: tuple[str, ...], training: Listing, test: Listing, resolution: int
) -> Source:
    """Reads the listed images, with one number of channels for both splits.

    Raises:
      InputError: as ``read_images``.
    """
    images = read_images([*training.paths, *test.paths], resolution)
    n = len(training.paths)
    return Source(class_names, Split(images[:n], training.labels), Split(images[n:], test.labels))


def _layout(folder: Path) -> tuple[Path, Path | None]:
    """The training folder and the test folder, if there is one."""
    train = folder / "train"
    # A class may be called train, so the name alone says nothing.
    if not _sub_folders(train):
        return folder, None
    for name in ("test", "val"):
        # The test/ of ImageNet is flat, without labels; then val/ is the test set.
        if _sub_folders(folder / name):
            return train, folder / name
    raise InputError(
        f"{folder} has train/ but neither test/ nor val/ with a sub-folder a class: add one, "
        f"or give {train} itself to have a fifth of it split off for testing"
    )


def _sub_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _listing(root: Path, class_names: Sequence[str]) -> Listing:
    # A test set may lack a class; an empty folder is a mistake in either.
    folders = [root / name for name in class_names]
    return join_listings([list_images(f) if f.is_dir() else [] for f in folders])


def join_listings(paths: Sequence[list[Path]]) -> Listing:
    """The image files of each class as one listing."""
    labels = np.repeat(np.arange(len(paths), dtype=np.int32), [len(p) for p in paths])
    return Listing([path for of_class in paths for path in of_class], labels)


def _made_split(listing: Listing, seed: int) -> tuple[Listing, Listing]:
    paths, labels = listing
    kept, held = split_off(labels, _TEST_FRACTION, rng("test_split", seed))
    train, test = (Listing([paths[i] for i in at], labels[at]) for at in (kept, held))
    return train, test
