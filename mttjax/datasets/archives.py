"""Finding and reading the official archives in a user's folder."""

from collections.abc import Mapping
from pathlib import Path

from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.cifar import read_cifar_archive
from mttjax.datasets.dataset import Source
from mttjax.datasets.idx import read_idx_archives
from mttjax.datasets.svhn import read_svhn_archives
from mttjax.system.errors import InputError

__all__ = ["archive_names", "find_archives", "read_archives"]

_READERS = {
    "mnist": read_idx_archives,
    "fashion_mnist": read_idx_archives,
    "cifar10": read_cifar_archive,
    "cifar100": read_cifar_archive,
    "svhn_cropped": read_svhn_archives,
}


def archive_names(name: str) -> str:
    """The official archives of a dataset, for messages."""
    return ", ".join(" or ".join(_packed(a.names)) for a in CATALOGUE[name].archives.values())


def _packed(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name.endswith((".gz", ".mat"))]


def find_archives(name: str, folder: Path) -> dict[str, Path] | None:
    """Looks in ``folder/name``, then in ``folder``.

    Returns:
      Role to path, or None where there is no archive of it at all.

    Raises:
      InputError: some of the archives are there, others are not.
    """
    partial = None
    # The sub-folder first: MNIST and Fashion-MNIST give their archives the same names.
    for place in (folder / name, folder):
        found = {}
        for role, archive in CATALOGUE[name].archives.items():
            path = next((place / n for n in archive.names if (place / n).is_file()), None)
            if path is not None:
                found[role] = path
        if len(found) == len(CATALOGUE[name].archives):
            return found
        if found and partial is None:
            partial = place, found
    if partial is None:
        return None
    place, found = partial
    archives = CATALOGUE[name].archives
    missing = [archive.names[0] for role, archive in archives.items() if role not in found]
    raise InputError(f"{place} has archives of {name}, but {', '.join(missing)} is missing there")


def read_archives(name: str, paths: Mapping[str, Path]) -> Source:
    """Reads the archives of a dataset in their own order, into memory only.

    Args:
      name: a key of ``CATALOGUE``.
      paths: role to path, as ``find_archives`` gives them.

    Raises:
      InputError: an archive is damaged, truncated, or holds something else.
    """
    return _READERS[name](CATALOGUE[name], paths)
