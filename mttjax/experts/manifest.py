"""The manifest of an expert store: read from its copy where it is damaged, and checked."""

import os
import re
import shutil
from pathlib import Path

from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json

__all__ = ["FORMAT", "read_manifest", "write_manifest"]

FORMAT = 1

_TYPES = {"recipe": dict, "preprocessing": str, "versions": dict, "experts": dict, "created": str}


def write_manifest(folder, manifest):
    """Writes ``manifest.json``; the one before stays as ``manifest.before.json``."""
    path = Path(folder) / "manifest.json"
    if _is_whole(path):  # a damaged one must not take the place of the copy it was mended from
        beside = path.with_name(".manifest.before.json.tmp")
        beside.unlink(missing_ok=True)
        try:
            os.link(path, beside)
        except OSError:  # a file system without links
            shutil.copyfile(path, beside)
        os.replace(beside, path.with_name("manifest.before.json"))
    write_json(path, manifest)


def _is_whole(path):
    try:
        return bool(read_json(path))
    except InputError:
        return False


def read_manifest(folder, log=print):
    """The manifest of a store, or None where there is no store.

    A damaged or lost one is passed over for the one before it: the snapshot that this
    does not know yet is trained again.

    Raises:
      InputError: neither is whole; it is of a format that this version does not read; or
        snapshots are here without any.
    """
    folder, faults, missing = Path(folder), [], []
    for name in ("manifest.json", "manifest.before.json"):
        path = folder / name
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
        raise InputError(
            f"{'; '.join(faults)}. Put back a copy of it, or make a new store with --experts.folder"
        )
    if any(folder.glob("[0-9][0-9][0-9][0-9]/*.npz")):
        raise InputError(
            f"{folder}: snapshots are here and manifest.json is gone: by what recipe they were "
            "trained is not known. Put back a copy of it, or make a new store with "
            "--experts.folder"
        )
    return None


def _check(path, manifest):
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{path}: the store's format is {manifest.get('format')!r}, this version "
            f"reads {FORMAT}; make a new store with --experts.folder"
        )
    for name, kind in _TYPES.items():
        if type(manifest.get(name)) is not kind:
            raise InputError(
                f"{path}: {name} is {manifest.get(name)!r:.80}, expected {kind.__name__}; the file "
                "is damaged"
            )
    for number, entry in manifest["experts"].items():
        epochs = entry.get("epochs") if isinstance(entry, dict) else None
        whole = isinstance(epochs, list) and all(isinstance(e, dict) for e in epochs)
        if not whole or not re.fullmatch(r"\d{4,6}", number):
            raise InputError(
                f"{path}: expert {number!r:.20} has {epochs!r:.80}, expected a record for each "
                "of its epochs; the file is damaged"
            )
