"""Which files of a folder are images, and how many are passed over."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.datasets.images import SUFFIXES
from mttjax.system.errors import InputError

__all__ = ["Listing", "count_beside", "join_listings", "list_images", "passed_over", "sub_folders"]

_DEEPER, _BESIDE = "in deeper folders", "beside the classes' folders"
_OF_A_DESKTOP = ("thumbs.db", "desktop.ini")


class Listing(NamedTuple):
    """n image files and their labels, [n] int32."""

    paths: list[Path]
    labels: np.ndarray


def join_listings(paths: Sequence[list[Path]]) -> Listing:
    """The image files of each class as one listing."""
    labels = np.repeat(np.arange(len(paths), dtype=np.int32), [len(p) for p in paths])
    return Listing([path for of_class in paths for path in of_class], labels)


def sub_folders(folder: Path) -> list[Path]:
    """The folders right in ``folder``, by name, but for hidden ones; none where it is no folder."""
    if not folder.is_dir():
        return []
    no_class = (".", "__MACOSX")  # the latter is what a Mac's archives leave
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(no_class))


def list_images(folder: Path, passed: Counter[str]) -> list[Path]:
    """The image files right in ``folder``, by name; hidden ones are no images.

    Links are followed, wherever they lead: the images are read and nothing is written.

    Args:
      folder: of a class.
      passed: what else is there is counted in it, by its ending, or as lying in deeper folders.

    Raises:
      InputError: there is no image.
    """
    names, own = [], Counter[str]()
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()
            kind = "" if entry.name.startswith(".") else _kind(entry)
            if kind == "file" and suffix in SUFFIXES:
                names.append(entry.name)
            elif kind == "folder":
                own[_DEEPER] += _count(folder / entry.name)
            elif kind == "file" and entry.name.lower() not in _OF_A_DESKTOP:
                own[suffix or "without ending"] += 1
            elif entry.is_symlink() and not kind and not entry.name.startswith("."):
                own["broken links"] += 1
    if not names:
        raise InputError(_empty(folder, own))
    passed.update(own)
    return [folder / name for name in sorted(names)]


def _kind(entry: os.DirEntry[str]) -> str:
    """Of an entry, or of what it leads to; empty for pipes and devices, where reading hangs."""
    with suppress(OSError):  # of links in a circle
        return "file" if entry.is_file() else "folder" if entry.is_dir() else ""
    return ""


def count_beside(root: Path, passed: Counter[str]) -> None:
    """Counts in ``passed`` the images that lie in no class's folder, right in ``root``."""
    files = (path for path in root.iterdir() if not path.name.startswith("."))
    passed[_BESIDE] += sum(p.suffix.lower() in SUFFIXES and p.is_file() for p in files)


def _count(folder: Path) -> int:
    """How many files are under ``folder``, without the hidden ones."""
    return sum(sum(not name.startswith(".") for name in files) for _, _, files in os.walk(folder))


def _empty(folder: Path, found: Counter[str]) -> str:
    fault = f"{folder} has no image ({', '.join(SUFFIXES)})"
    if inner := [path.name for path in sub_folders(folder)]:
        listed = ", ".join(f"{name}/" for name in inner[:5]) + (", …" if len(inner) > 5 else "")
        return (
            f"{fault}, but the sub-folders {listed}: it is no class. Give the folder that holds "
            "the classes' folders, or one with train/ and test/ that hold them"
        )
    if found:
        return f"{fault}, only {_listed(found)}: convert them to one of those, or remove the folder"
    return f"{fault}: an empty class"


def passed_over(passed: Counter[str]) -> tuple[str, ...]:
    """What was passed over as a remark; none where there is nothing to say."""
    passed = +passed
    if not passed:
        return ()
    n = passed.total()
    return (f"{n:,} file{'s' if n > 1 else ''} passed over ({_listed(passed)})",)


def _listed(counts: Counter[str]) -> str:
    """By number, the deeper ones last."""
    named = sorted(counts.items(), key=lambda item: (item[0] in (_DEEPER, _BESIDE), -item[1]))
    return ", ".join(f"{name[:30]} {n:,}" for name, n in named[:6]) + (
        ", …" if len(named) > 6 else ""
    )
