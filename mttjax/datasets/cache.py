"""Decoded images kept in the user's cache folder, because decoding takes seconds."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mttjax.datasets.dataset import Source, Split

__all__ = ["cached"]


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
    files = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in prepared.iterdir())
    key = hashlib.sha256(repr((str(prepared.resolve()), files)).encode()).hexdigest()[:16]
    return Path(root) / "mttjax" / "datasets" / f"{name}-{prepared.name}-{key}.npz"


def _load(path: Path) -> Source | None:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            names = tuple(str(name) for name in file["class_names"])
            train = Split(file["x_train"], file["y_train"])
            test = Split(file["x_test"], file["y_test"])
    # A cache is only a convenience: whatever is wrong with it, it is written again.
    except Exception:
        return None
    whole = all(
        s.images.ndim == 4 and s.images.dtype == np.uint8 and s.labels.shape == s.images.shape[:1]
        for s in (train, test)
    )
    return Source(names, train, test) if whole else None


def _save(path: Path, source: Source) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            np.savez(
                file,
                class_names=np.array(source.class_names, np.str_),
                x_train=source.train.images,
                y_train=source.train.labels,
                x_test=source.test.images,
                y_test=source.test.labels,
            )
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
