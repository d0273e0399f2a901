"""Decoded images kept in the user's cache folder, because decoding takes seconds."""

import hashlib
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError
from mttjax.system.files import atomically, cache_folder, read_json, write_json
from mttjax.system.npz import read_arrays, write_arrays

__all__ = ["cached", "cached_images"]


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


def cached_images(
    name: str, where: object, content: str, make: Callable[[], tuple[np.ndarray, dict[str, int]]]
) -> tuple[np.ndarray, dict[str, int]]:
    """Returns ``make()``, or what it returned when the content was last as it is now.

    Args:
      name: for the cache file's name.
      where: JSON values that say whose images they are; another content replaces them.
      content: what the images are made of is known by.
      make: decodes the images, uint8, and counts what they are.

    Images from the cache lie in its file, by a memory map, and cannot be written to. A cache
    that cannot be written is done without, a damaged one is written anew.
    """
    digest = hashlib.sha256(repr(where).encode()).hexdigest()[:16]
    path = cache_folder() / "datasets" / f"{name[:40]}-{digest}.npy"
    # A cache is only a convenience: whatever is wrong with it, it is written again.
    with suppress(InputError, KeyError, OSError, ValueError, EOFError):
        record = read_json(path.with_suffix(".json"))
        if record["content"] == content:
            images = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            if images.dtype == np.uint8 and zlib.crc32(images.data) == record["crc32"]:
                return images, record["counts"]
    images, counts = make()
    with suppress(OSError):
        with atomically(path) as file:
            np.save(file, images)
        record = {"content": content, "crc32": zlib.crc32(images.data), "counts": counts}
        write_json(path.with_suffix(".json"), record)
    return images, counts
