"""Decoded images kept in the user's cache folder, because decoding takes seconds."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays, write_arrays

__all__ = ["cached"]

_PARTS = ("train", "test")


def cached(prepared: Path, name: str, read: Callable[[], Source]) -> Source:
    """Returns ``read()``, or what it returned when the files were last as they are now.

    Args:
      prepared: the folder that ``read`` reads; its path and the names, sizes and times
        of its files are the key.
      name: of the dataset, for the cache file's name.
      read: decodes the images.

    A cache that cannot be written is done without, a damaged one is written anew.
    """
    path = _cache_path(prepared, name)
    if path is None:
        return read()
    found = _load(path)
    if found is None:
        found = read()
        with suppress(OSError):
            _save(path, found)
    return found


def _cache_path(prepared: Path, name: str) -> Path | None:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    # Without a home the tilde stays; a relative cache folder is to be ignored (XDG).
    if not os.path.isabs(root):
        return None
    # The time of the last change of any kind too: the other one can be copied or set back.
    files = sorted(
        (path.name, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
        for path in prepared.iterdir()
        for at in [path.stat()]
    )
    key = hashlib.sha256(repr((str(prepared.resolve()), files)).encode()).hexdigest()[:16]
    return Path(root) / "mttjax" / "datasets" / f"{name}-{prepared.name}-{key}.npz"


def _load(path: Path) -> Source | None:
    try:
        arrays = read_arrays(path)
        names = tuple(str(name) for name in arrays["class_names"])
        train, test = (Split(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in _PARTS)
    # A cache is only a convenience: whatever is wrong with it, it is written again.
    except (InputError, KeyError, TypeError):
        return None
    whole = all(
        s.images.ndim == 4 and s.images.dtype == np.uint8 and s.labels.shape == s.images.shape[:1]
        for s in (train, test)
    )
    return Source(names, train, test) if whole else None


def _save(path: Path, source: Source) -> None:
    arrays = {"class_names": np.array(source.class_names, np.str_)}
    for part in _PARTS:
        arrays[f"x_{part}"], arrays[f"y_{part}"] = getattr(source, part)
    write_arrays(path, arrays)
