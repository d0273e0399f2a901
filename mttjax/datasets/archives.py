"""The official archives in a user's folder: finding and reading them."""

from collections.abc import Mapping
from pathlib import Path

from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.formats import read_cifar, read_idx, read_svhn
from mttjax.system.errors import InputError

__all__ = ["archive_names", "find_archives", "read_archives"]


_TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw"),
}
"""Under the root that torchvision was given."""


def archive_names(name: str) -> str:
    """The official archives of a dataset, for messages."""
    return ", ".join(
        " or ".join(n for n in archive.names if n.endswith((".gz", ".mat")))
        for archive in CATALOGUE[name].archives.values()
    )


def find_archives(name: str, folder: Path) -> dict[str, Path] | None:
    """Looks in ``folder/name``, then in ``folder``, for each archive or what it unpacks to; of the
    MNISTs then where torchvision keeps them, ``MNIST/raw``.

    Returns:
      Official name to path, or None where there is no archive of it at all.

    Raises:
      InputError: some of the archives are there, others are not.
    """
    # The sub-folder first: MNIST and Fashion-MNIST give their archives the same names.
    torchvision = _TORCHVISION.get(name, ())
    kept = [folder / part for part in (name, ".", *torchvision)]
    if folder.name in torchvision[:1]:
        kept.append(folder / "raw")
    places = {place: _present(name, place) for place in kept}
    for place, paths in sorted(places.items(), key=lambda item: -len(item[1])):
        missing = [file for file in CATALOGUE[name].archives if file not in paths]
        if not missing:
            return paths
        if paths:
            raise InputError(
                f"{place} has archives of {name}, but {', '.join(missing)} is missing there"
            )
    return None


def _present(name: str, place: Path) -> dict[str, Path]:
    present: dict[str, Path] = {}
    for file, archive in CATALOGUE[name].archives.items():
        for path in (place / other for other in archive.names):
            # Not a pipe or a device: reading it would hang.
            if path.is_file() or path.is_dir():
                present.setdefault(file, path)
    return present


def read_archives(name: str, paths: Mapping[str, Path]) -> Source:
    """Reads the archives of a dataset in their own order, into memory only.

    Args:
      name: a key of ``CATALOGUE``.
      paths: official name to path, as ``find_archives`` gives them.

    Raises:
      InputError: an archive is damaged, truncated, or holds something else.
    """
    entry = CATALOGUE[name]
    if name.startswith("cifar"):
        (path,) = paths.values()
        return read_cifar(path, entry.class_names)
    if name == "svhn_cropped":
        train, test = (read_svhn(a, paths[file]) for file, a in entry.archives.items())
    else:
        train, test = (_read_mnist(name, paths, part) for part in ("train", "t10k"))
    return Source(entry.class_names, train, test)


def _read_mnist(name: str, paths: Mapping[str, Path], part: str) -> Split:
    entry, path = CATALOGUE[name], paths[f"{part}-images-idx3-ubyte.gz"]
    images, labels = read_idx(path, 3), read_idx(paths[f"{part}-labels-idx1-ubyte.gz"], 1)
    split = as_split(images, labels, len(entry.class_names), f"{path} and its labels")
    if split.images.shape[1:] != entry.shape:
        raise InputError(f"{path}: images are {split.images.shape[1:]}, not {entry.shape}")
    return split
