"""The manifest of an expert store: read from its copy where it is damaged, and checked."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mttjax.experts.recipe import recipe_from
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json

__all__ = ["BEFORE", "FORMAT", "MANIFEST", "read_manifest", "write_manifest"]

FORMAT = 2
MANIFEST, BEFORE = "manifest.json", "manifest.before.json"

_TYPES = {"recipe": dict, "preprocessing": str, "versions": dict, "experts": dict, "created": str}
_REMEDY = "Put back a copy of it, or make a new store in another folder"


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest; the one before stays beside it."""
    path = folder / MANIFEST
    if _is_whole(path):  # a damaged one must not take the place of the copy it was mended from
        beside = path.with_name(f".{BEFORE}.tmp")
        beside.unlink(missing_ok=True)
        try:
            os.link(path, beside)
        except OSError:  # a file system without links
            shutil.copyfile(path, beside)
        os.replace(beside, path.with_name(BEFORE))
    write_json(path, manifest)


def _is_whole(path):
    try:
        return bool(read_json(path))
    except InputError:
        return False


def read_manifest(folder: Path, log: Callable[[str], object] = print) -> dict[str, Any] | None:
    """The manifest of a store, or None where there is no store.

    A damaged or lost one is passed over for the one before it: the snapshot that this
    does not know yet is trained again.

    Raises:
      InputError: neither is whole; it is of a format that this version does not read; or
        snapshots are here without any.
    """
    faults, missing = [], []
    for path in (folder / MANIFEST, folder / BEFORE):
        if not path.exists():
            missing.append(f"{path}: no such file")
            continue
        try:
            manifest = read_json(path)
        except InputError as error:
            faults.append(str(error))
            continue
        _check(path, manifest)
        for fault in faults or missing:
            log(f"passed over: {fault}")
        return manifest
    if faults:
        raise InputError(f"{'; '.join(faults)}. {_REMEDY}")
    if any(folder.glob("[0-9][0-9][0-9][0-9]/*.npz")):
        raise InputError(
            f"{folder}: snapshots are here and {MANIFEST} is gone: by what recipe they were "
            f"trained is not known. {_REMEDY}"
        )
    return None


def _check(path, manifest):
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{path}: the store's format is {manifest.get('format')!r}, this version reads "
            f"{FORMAT}; train experts anew, in another folder"
        )

    def require(good, what, found, expected):
        if not good:
            raise InputError(
                f"{path}: {what} is {found!r:.80}, expected {expected}; the file is damaged"
            )

    for name, kind in _TYPES.items():
        require(type(manifest.get(name)) is kind, name, manifest.get(name), kind.__name__)
    try:
        recipe_from(manifest["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        require(False, "recipe", error, "that of experts")
    for number, entry in manifest["experts"].items():
        epochs = entry.get("epochs") if isinstance(entry, dict) else None
        whole = isinstance(epochs, list) and all(isinstance(e, dict) for e in epochs)
        good = whole and re.fullmatch(r"\d{4,6}", number)
        require(good, f"expert {number!r:.20}", epochs, "a record for each of its epochs")
