"""The manifest of an expert store: read from its copy where it is damaged, and checked."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mttjax.experts.recipe import recipe_from
from mttjax.system.errors import InputError
from mttjax.system.files import atomically, parse_json, read_json, write_json
from mttjax.system.locks import in_turn

__all__ = [
    "BEFORE",
    "FORMAT",
    "MANIFEST",
    "MANIFEST_LOCK",
    "enter_manifest",
    "read_manifest",
    "write_manifest",
]

FORMAT = 2
MANIFEST, BEFORE = "manifest.json", "manifest.before.json"
MANIFEST_LOCK = ".manifest.lock"
"""Held while an entry is made in the manifest; several processes may train experts of a store."""

_TYPES = {"recipe": dict, "preprocessing": str, "versions": dict, "experts": dict, "created": str}
_REMEDY = "Put back a copy of it, or make a new store in another folder"


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest; the one before stays beside it."""
    path = folder / MANIFEST
    # A damaged one must not take the place of the copy that it was mended from.
    with contextlib.suppress(InputError):
        read_json(path)
        with atomically(folder / BEFORE) as file:
            file.write(path.read_bytes())
    write_json(path, manifest)


def enter_manifest(path: Path, content: bytes, sent: bytes | None) -> bool:
    """Enters in a store's manifest what a worker with a folder of its own trained.

    Args:
      path: of a file; nothing is done with one that is no manifest nor the copy of one.
      content: what the worker has there.
      sent: what it began with; None: nothing.

    Returns:
      Whether it was one.
    """
    if path.name not in (MANIFEST, BEFORE):
        return False
    if path.name == MANIFEST:
        theirs = parse_json(content, path)
        before = parse_json(sent, path)["experts"] if sent else {}
        trained = {e: entry for e, entry in theirs["experts"].items() if entry != before.get(e)}
        with in_turn(path.with_name(MANIFEST_LOCK)):
            own = read_manifest(path.parent, lambda line: None) or theirs
            write_manifest(path.parent, own | {"experts": own["experts"] | trained})
    return True


def read_manifest(folder: Path, log: Callable[[str], object] = print) -> dict[str, Any] | None:
    """The manifest of a store, or None where there is no store.

    A damaged or lost one is passed over for the one before it: the snapshot that this
    does not know yet is trained again.

    Raises:
      InputError: neither is whole; it is of a format that this version does not read; or
        snapshots are here without any.
    """
    faults = []
    for path in (folder / MANIFEST, folder / BEFORE):
        try:
            manifest = read_json(path)
        except InputError as error:
            faults.append(str(error))
            continue
        _check(path, manifest)
        for fault in faults:
            log(f"passed over: {fault}")
        return manifest
    if (folder / MANIFEST).exists() or (folder / BEFORE).exists():
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

    for name, kind in _TYPES.items():
        value = manifest.get(name)
        _require(type(value) is kind, path, name, value, kind.__name__)
    try:
        recipe_from(manifest["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        _require(False, path, "recipe", error, "that of experts")
    for number, entry in manifest["experts"].items():
        epochs = entry.get("epochs") if isinstance(entry, dict) else None
        whole = isinstance(epochs, list) and all(isinstance(e, dict) for e in epochs)
        good = whole and re.fullmatch(r"\d{4,6}", number)  # it becomes the name of a folder
        _require(good, path, f"expert {number!r:.20}", epochs, "a record for each of its epochs")


def _require(good, path, what, value, expected):
    if not good:
        raise InputError(
            f"{path}: {what} is {value!r:.80}, expected {expected}; the file is damaged"
        )
