"""Many image files to one array: in parallel, once, within the machine's memory."""

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from mttjax.datasets.cache import cached_images
from mttjax.datasets.depth import bits_of
from mttjax.datasets.images import SUFFIXES, Header, read_header, read_largest, read_pixels
from mttjax.datasets.names import Fit
from mttjax.system.errors import InputError
from mttjax.system.fields import Range
from mttjax.system.memory import require_memory
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_threads

__all__ = ["RESOLUTIONS", "Size", "count_remarks", "have_one_size", "read_images"]

RESOLUTIONS = Range(4, 1024)
"""Of a side."""

_BATCH = 200
"""Images that a thread reads before it says so."""
_SMALL = 4096
"""Bytes of files that one thread reads faster than several, which wait for the interpreter: 60,000
of CIFAR-10 took one 14 s, two 27 s and sixteen 35 s on two cores."""
_MOST_FAULTS = 10
"""That a message tells."""

T = TypeVar("T")


class Size(NamedTuple):
    """What images are brought to."""

    resolution: int | None
    """R of the square; None: their own size, which all must have."""
    fit: Fit = "crop"
    channels: int | None = None
    """1 or 3; None: 1 where all are greyscale, else 3."""


def have_one_size(folder: Path, most: int = 200) -> bool:
    """Whether the first images under ``folder``, so many of them, have one size.

    Raises:
      InputError: one cannot be read.
    """
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    files = (path for path in paths if path.is_file() and not path.name.startswith("."))
    return len({read_header(path).size for path in islice(files, most)}) <= 1


def read_images(
    paths: Sequence[Path], size: Size, folder: Path
) -> tuple[np.ndarray, dict[str, int]]:
    """Reads images, or takes them from the cache if the files are as they were.

    Args:
      paths: n image files.
      size: what they are brought to.
      folder: that they are in, for messages and the cache.

    Returns:
      [n, H, W, C] uint8; and how many are "grey", "colour", "transparent", "flat" (one colour
      throughout) or of a format, such as "JPEG"; where there are images of 16 bits,
      how many ("deep") and how many "bits" they use, which are scaled to 8.

    Raises:
      InputError: files that cannot be read, the first ten of them are named; images of several
        sizes without a resolution; more pixels than the machine has memory for.
    """

    def make() -> tuple[np.ndarray, dict[str, int]]:
        # Pillow warns of harmless oddities. Here, since filters are not the threads' own.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decoded(paths, size, folder)

    above = len(folder.parts)
    where = [str(folder.resolve()), *size, sorted({path.parts[above:-1] for path in paths})]
    return cached_images(folder.resolve().name, where, _digest(paths, folder), make)


def _digest(paths: Sequence[Path], folder: Path) -> str:
    """What the files are known by without reading them: names, sizes and times."""
    digest, above = hashlib.sha256(), len(folder.parts)
    for path in paths:
        at = os.stat(path)
        # The time of the last change of any kind too: the other one can be copied or set back.
        known = (path.parts[above:], at.st_size, at.st_mtime_ns, at.st_ctime_ns)
        digest.update(repr(known).encode())
    return digest.hexdigest()


def _decoded(paths: Sequence[Path], size: Size, folder: Path) -> tuple[np.ndarray, dict[str, int]]:
    workers = 1 if paths and os.stat(paths[len(paths) // 2]).st_size < _SMALL else None
    headers = _each(read_header, paths, "headers", workers)
    if any(isinstance(header, InputError) for header in headers):
        good = [p for p, h in zip(paths, headers, strict=True) if isinstance(h, Header)]
        pixels = _each(lambda path: read_pixels(path, "L", 4, "crop"), good, "images", workers)
        _require_whole([*headers, *pixels], len(paths))
    height, width, channels = shape = _shape(headers, size, folder)
    n = len(paths)
    require_memory(
        2 * n * height * width * channels,
        f"{folder}: {n:,} images of {height}x{width}x{channels}, read and split (lower "
        "data.resolution, or choose fewer data.classes),",
    )
    images = np.empty((n, *shape), np.uint8)
    mode = "L" if channels == 1 else "RGB"
    deep = [p for p, h in zip(paths, headers, strict=True) if isinstance(h, Header) and h.deep]
    largest = _each(read_largest, deep, "16-bit images", workers)
    _require_whole(largest, n)
    bits = bits_of(max((value for value in largest if isinstance(value, int)), default=0))

    def read(k: int) -> bool:
        """Whether the image has one colour throughout."""
        images[k] = pixels = read_pixels(paths[k], mode, size.resolution, size.fit, bits)
        return bool((pixels == pixels[0, 0]).all())

    flat = _each(read, range(n), "images", workers)
    _require_whole(flat, n)
    counts = _counts(headers, flat) | ({"deep": len(deep), "bits": bits} if deep else {})
    return images, counts


def _each(
    function: Callable[[Any], T], items: Sequence[Any], title: str, workers: int | None
) -> list[T | InputError]:
    """``function`` of every item, so many at once, or an ``InputError`` in a result's place."""

    def batch(begin: int) -> list[T | InputError]:
        results: list[T | InputError] = []
        for item in items[begin : begin + _BATCH]:
            try:
                results.append(function(item))
            except InputError as error:
                results.append(error)
        bar.advance(len(results))
        return results

    with progress_bar(title, len(items)) as bar:
        batches = in_threads(batch, range(0, len(items), _BATCH), workers=workers)
    return [result for results in batches for result in results]


def _require_whole(results: Sequence[object], n: int) -> None:
    faults = [result for result in results if isinstance(result, InputError)]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = "".join(f"\n  {fault}" for fault in faults[:_MOST_FAULTS])
        more = len(faults) - _MOST_FAULTS
        rest = f"\n  and {more:,} more" if more > 0 else ""
        raise InputError(f"{len(faults):,} of {n:,} images cannot be read:{told}{rest}")


def _shape(headers: Sequence[Any], size: Size, folder: Path) -> tuple[int, int, int]:
    channels = size.channels or (1 if all(header.grey for header in headers) else 3)
    if size.resolution is not None:
        return size.resolution, size.resolution, channels
    sizes = Counter(header.size for header in headers)
    (width, height), _ = sizes.most_common(1)[0]
    if len(sizes) > 1 or not (RESOLUTIONS.holds(width) and RESOLUTIONS.holds(height)):
        few = ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in sizes.most_common(3))
        many = f"{len(sizes)} sizes" if len(sizes) > 1 else "the size"
        raise InputError(
            f"{folder}: the images have {many} {few}{', …' if len(sizes) > 3 else ''}: give "
            "the side that all are brought to as data.resolution, such as 64 or 128"
        )
    return height, width, channels


def _counts(headers: Sequence[Any], flat: Sequence[Any]) -> dict[str, int]:
    counts = Counter(header.kind for header in headers)
    for header in headers:
        counts["grey" if header.grey else "colour"] += 1
        counts["transparent"] += header.transparent
    counts["flat"] = sum(flat)
    return dict(counts)


def count_remarks(counts: dict[str, int], channels: int) -> tuple[str, ...]:
    """What a user should know of the images that were read."""
    grey, colour, transparent, flat = (
        counts.get(name, 0) for name in ("grey", "colour", "transparent", "flat")
    )
    remarks = []
    if grey and colour:
        as_what = "three channels" if channels == 3 else "grey"
        remarks.append(f"{grey:,} grey and {colour:,} colour images, all as {as_what}")
    if deep := counts.get("deep"):
        remarks.append(f"{deep:,} of 16 bits, {counts['bits']} of them used, scaled to 8")
    if transparent:
        remarks.append(f"{transparent:,} with an alpha channel, put on white")
    if flat:
        remarks.append(f"{flat:,} of one colour throughout")
    return tuple(remarks)
