"""Decoded images kept in the user's cache folder, because decoding takes seconds."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError
from mttjax.system.files import cache_folder
from mttjax.system.npz import read_arrays, write_arrays

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
    # The time of the last change of any kind too: the other one can be copied or set back.
    files = sorted(
        (path.name, at.st_size, at.st_mtime_ns, at.st_ctime_ns)
        for path in prepared.iterdir()
        for at in [path.stat()]
    )
    key = hashlib.sha256(repr((str(prepared.resolve()), files)).encode()).hexdigest()[:16]
    path = cache_folder() / "datasets" / f"{name}-{prepared.name}-{key}.npz"
    parts = ("train", "test")
    # A cache is only a convenience: whatever is wrong with it, it is written again.
    with suppress(InputError, KeyError, OSError):
        arrays = read_arrays(path)
        train, test = (Split(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in parts)
        return Source(tuple(map(str, arrays["class_names"])), train, test)
    source = read()
    arrays = {"class_names": np.array(source.class_names, np.str_)}
    for part in parts:
        arrays[f"x_{part}"], arrays[f"y_{part}"] = getattr(source, part)
    with suppress(OSError):
        write_arrays(path, arrays)
    return source
