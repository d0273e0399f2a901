"""A folder of images with one sub-folder a class."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.datasets.catalogue import Entry
from mttjax.datasets.checks import check_names
from mttjax.datasets.classes import choose_classes
from mttjax.datasets.dataset import Source, Split, split_off
from mttjax.datasets.listing import (
    Listing,
    count_beside,
    join_listings,
    list_images,
    passed_over,
    sub_folders,
)
from mttjax.datasets.names import composed
from mttjax.datasets.reading import Size, count_remarks, read_images
from mttjax.system.errors import InputError
from mttjax.system.seeds import rng

__all__ = ["has_class_folders", "read_image_folder", "read_listings", "read_official_folder"]

_TEST_FRACTION = 0.2
_VALIDATION = ("val", "valid", "validation")
_SPLITS = ("train", "training", "test", "testing", *_VALIDATION)


class _Layout(NamedTuple):
    train: Path
    validation: Path | None
    test: Path | None
    unread: tuple[str, ...] = ()
    """Other sub-folders."""


def read_image_folder(
    folder: Path, *, size: Size, classes: Sequence[str | int] | None, seed: int
) -> Source:
    """Reads ``folder/train/<class>/*`` and ``folder/test/<class>/*``.

    ``val/`` (or ``valid/``, ``validation/``) is the validation split; without ``test/`` it is
    the test set. With ``folder/<class>/*`` alone a fifth of every class, decided by ``seed``,
    is. The classes are the training sub-folders by name, as text; ``classes`` chooses and orders
    them, and only those are read. Links to folders and images are followed, wherever they lead:
    they are read and nothing is written. Hidden files and folders are passed over, and so are,
    which is said, files of other kinds and those in deeper folders.

    Args:
      folder: an existing folder.
      size: what images are brought to.
      classes: names or indices, or None for all.
      seed: of the test split, where one has to be made.

    Raises:
      InputError: no class, an empty one, one whose name has control characters, folders of
        splits without classes, a test class that is not a training class, training images
        without test images, images that cannot be read.
    """
    layout = _layout(folder)
    folders = _by_name(layout.train)
    if not folders:
        raise InputError(f"{folder} has no sub-folder; expected one a class, or train/ and test/")
    check_names(folders)
    names = list(folders)
    indices, how = choose_classes(classes, names)
    source = _read(folder, layout, {names[k]: names[k] for k in indices}, size, seed)
    return source._replace(origins={**source.origins, "classes": how})


def has_class_folders(folder: Path) -> bool:
    """Whether ``folder/train`` and ``folder/test`` have sub-folders."""
    return all(sub_folders(folder / part) for part in ("train", "test"))


def read_official_folder(name: str, folder: Path, entry: Entry) -> Source:
    """Reads a known dataset that lies as image files in ``folder/train/<class>`` and ``test``.

    The sub-folders are called as its classes are, capitals and punctuation aside, or by their
    numbers; its order of classes is kept, and its images are ordered by class and file name.

    Raises:
      InputError: other classes or sizes than the dataset's, or as ``read_image_folder``.
    """
    layout = _layout(folder)
    there = {_plain(called): called for called in _by_name(layout.train)}
    for spelled in (entry.class_names, tuple(map(str, range(len(entry.class_names))))):
        if set(map(_plain, spelled)) == set(there):
            break
    else:
        raise InputError(
            f"{layout.train} has the classes {', '.join(list(there.values())[:12])}; {name} has "
            f"{', '.join(entry.class_names[:12])}. Another data set is an image_folder"
        )
    kept = {there[_plain(k)]: own for k, own in zip(spelled, entry.class_names, strict=True)}
    source = _read(folder, layout, kept, Size(None, channels=entry.shape[2]), 0)
    if source.train.images.shape[1:] != entry.shape:
        height, width = source.train.images.shape[1:3]
        raise InputError(
            f"{folder} has images of {height}x{width}, but those of {name} have "
            f"{entry.shape[0]}x{entry.shape[1]}: read it as an image_folder"
        )
    return source


def _plain(name: str) -> str:
    return "".join(c for c in composed(name).casefold() if c.isalnum())


def _read(folder: Path, layout: _Layout, kept: Mapping[str, str], size: Size, seed: int) -> Source:
    """``kept``: the names of the folders of the kept classes, and what the classes are called."""
    passed: Counter[str] = Counter()
    listings = {"train": _listing(layout.train, kept, passed)}
    for part in ("validation", "test"):
        if (root := getattr(layout, part)) is not None:
            if strange := sorted(set(_by_name(root)) - set(_by_name(layout.train))):
                raise InputError(f"{root} has the class {strange[0]!r}, {layout.train} has not")
            listings[part] = _listing(root, kept, passed)
    source = read_listings(tuple(kept.values()), listings, size, folder, passed)
    unread = tuple(f"{name}/ is not read" for name in layout.unread)
    origins = {} if layout.validation is None else {"validation": f"{layout.validation.name}/"}
    if layout.test is None:
        images, labels = source.train
        held = split_off(labels, _TEST_FRACTION, rng("test_split", seed))
        train, test = (Split(images[at], labels[at]) for at in held)
        source = source._replace(train=train, test=test)
        origins["test"] = "a fifth of each class"
    elif layout.test.name != "test":
        origins["test"] = f"{layout.test.name}/"
    return source._replace(origins=origins, remarks=(*source.remarks, *unread))


def read_listings(
    class_names: tuple[str, ...],
    listings: Mapping[str, Listing],
    size: Size,
    folder: Path,
    passed: Counter[str],
) -> Source:
    """Reads the images of all splits, to one shape.

    Args:
      class_names: K names.
      listings: of "train" and, where there are such, "validation" and "test".
      size: what images are brought to.
      folder: that all are in.
      passed: the files passed over, see ``list_images``.

    Raises:
      InputError: as ``read_images``.
    """
    paths = [path for listing in listings.values() for path in listing.paths]
    images, counts = read_images(paths, size, folder)
    ends = np.cumsum([len(listing.paths) for listing in listings.values()])
    parts = np.split(images, ends[:-1])
    splits = {
        part: Split(pixels, listing.labels)
        for (part, listing), pixels in zip(listings.items(), parts, strict=True)
    }
    kinds = [f"{counts[kind]:,} {kind}" for kind in sorted(counts) if kind.isupper()]
    remarks = (
        f"read from {', '.join(kinds)} files",
        *count_remarks(counts, images.shape[-1]),
        *passed_over(passed),
    )
    nothing = Split(images[:0], np.empty(0, np.int32))
    return Source(
        class_names,
        splits["train"],
        splits.get("test", nothing),
        splits.get("validation"),
        remarks=remarks,
    )


def _layout(folder: Path) -> _Layout:
    names = [path.name for path in sub_folders(folder)]
    train = folder / "train"
    # A class may be called train, so the name alone says nothing.
    if not sub_folders(train):
        _require_classes(folder, names)
        return _Layout(folder, None, None)
    test = folder / "test" if sub_folders(folder / "test") else None
    held = next((folder / name for name in _VALIDATION if sub_folders(folder / name)), None)
    if test is None:
        # The test/ of ImageNet is flat, without labels; then val/ is the test set.
        test, held = held, None
    if test is None:
        raise InputError(
            f"{folder} has train/ but neither test/ nor val/ with a sub-folder a class: add one, "
            f"or give {train} itself to have a fifth of it split off for testing"
        )
    read = {path.name for path in (train, held, test) if path is not None}
    return _Layout(train, held, test, tuple(name for name in names if name not in read))


def _require_classes(folder: Path, names: Sequence[str]) -> None:
    """Refuses folders of splits that would be read as classes."""
    splits = [name for name in names if name.casefold() in _SPLITS]
    if (len(splits) < 2 and splits != list(names)) or not splits:
        return
    listed = " and ".join(f"{name}/" for name in splits)
    if any(sub_folders(folder / name) for name in splits):
        raise InputError(
            f"{folder} has {listed}, with sub-folders: call those that hold the classes train/ "
            "and test/ (and val/ for validation), in small letters"
        )
    raise InputError(
        f"{folder} has {listed}, whose images are not in a folder a class: nothing says of which "
        "class each is. Make folders such as train/cat/ and test/cat/, or, if these are the "
        "classes, give them other names"
    )


def _by_name(root: Path) -> dict[str, Path]:
    """The sub-folders by their names, in whatever form of Unicode the file system has those.

    Raises:
      InputError: two names that look the same.
    """
    folders: dict[str, Path] = {}
    for path in sub_folders(root):
        name = composed(path.name)
        if name in folders:
            raise InputError(
                f"{root} has two sub-folders called {name!r}, in two forms of Unicode "
                f"({folders[name].name!a} and {path.name!a}): join them or rename one"
            )
        folders[name] = path
    return folders


def _listing(root: Path, names: Iterable[str], passed: Counter[str]) -> Listing:
    there = _by_name(root)
    count_beside(root, passed)
    # A test set may lack a class; an empty folder is a mistake in either.
    return join_listings(
        [list_images(there[name], passed) if name in there else [] for name in names]
    )
