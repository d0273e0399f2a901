"""The datasets that TFDS knows, from archives, prepared, or downloaded."""

from pathlib import Path

from mttjax.datasets.archives import archive_names, find_archives, read_archives
from mttjax.datasets.dataset import Source
from mttjax.datasets.prepared import default_data_dir, find_prepared, read_prepared
from mttjax.datasets.preparing import download_and_prepare
from mttjax.system.errors import InputError

__all__ = ["read_official"]


def read_official(name: str, folder: Path | None, *, download: bool) -> Source:
    """Reads a dataset of the catalogue from the first place that has it.

    The places: archives in ``folder``; prepared by TFDS under ``folder`` or its own
    data folder; with ``download`` the network, which is not touched otherwise.

    Args:
      name: a key of ``CATALOGUE``.
      folder: the user's folder, or None.
      download: whether it may be fetched.

    Raises:
      InputError: it is in none of them, or damaged where it is.
    """
    if folder is not None and not folder.is_dir() and (folder.exists() or not download):
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {fault}; expected one with {archive_names(name)}")
    paths = None if folder is None else find_archives(name, folder)
    if paths is not None:
        return read_archives(name, paths)
    roots = [root for root in (folder, default_data_dir()) if root is not None]
    prepared, unreadable = find_prepared(name, roots)
    if prepared is None and download:
        prepared = download_and_prepare(name, roots[0])
    if prepared is None:
        raise InputError(_not_found(name, folder, roots, unreadable))
    return read_prepared(name, prepared)


def _not_found(name: str, folder: Path | None, roots: list[Path], unreadable: list[Path]) -> str:
    looked = ", ".join(str(root / name) for root in roots)
    lines = [f"{name} is not there. Looked"]
    if folder is not None:
        lines.append(f"in {folder} and {folder / name} for the archives {archive_names(name)};")
    lines.append(f"in {looked} for what TFDS has prepared as array_record.")
    if unreadable:
        lines.append(f"({unreadable[0]} is damaged or in a format that only TensorFlow reads.)")
    lines.append(
        f"Give a folder with {archive_names(name)} (--data.dir FOLDER), or let it be fetched "
        "(--data.download)"
    )
    return " ".join(lines)
