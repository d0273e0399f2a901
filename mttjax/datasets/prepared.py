"""Reading what TFDS has prepared as array_record: no TensorFlow, no network."""

import hashlib
import io
import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mttjax.datasets.cache import cached
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "default_data_dir", "find_prepared", "read_prepared"]

MOST_BYTES = 2**30
"""What the images of a split may have together; the largest official one has 225 MB."""

_CHUNK = 1000
_FEATURES = "tensorflow_datasets.core.features."


def default_data_dir() -> Path:
    """Where TFDS keeps its datasets when not told otherwise."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find_prepared(name: str, roots: Sequence[Path]) -> Path | None:
    """The first ``root/name/<version>`` in array_record, the catalogue's version before others."""
    for root in roots:
        present = root / name / CATALOGUE[name].version
        for folder in (present, *sorted((root / name).glob("*"), reverse=True)):
            with suppress(OSError):
                if b'"array_record"' in (folder / "dataset_info.json").read_bytes():
                    return folder
    return None


def read_prepared(name: str, folder: Path) -> Source:
    """Reads a prepared dataset, in the order of its archives whatever TFDS's order is.

    Args:
      name: a key of ``CATALOGUE``.
      folder: as ``find_prepared`` gives it.

    Raises:
      InputError: the files are damaged.
    """
    return cached(folder, name, lambda: _read(name, folder))


def _read(name: str, folder: Path) -> Source:
    import tensorflow_datasets as tfds

    entry = CATALOGUE[name]
    try:
        text = (folder / "features.json").read_text(encoding="utf-8")
        json.loads(text, object_pairs_hook=_known_features)
        builder = tfds.builder_from_directory(folder)
        train, test = (_read_split(tfds, builder, part, entry.shape) for part in ("train", "test"))
    # The C++ readers raise what they like on damaged files.
    except Exception as error:
        raise InputError(
            f"cannot read {folder}: {error}. Remove that folder and prepare {name} again"
        ) from error
    n_classes = len(entry.class_names)
    train, test = (as_split(*split, n_classes, str(folder)) for split in (train, test))
    return Source(entry.class_names, train, test)


def _known_features(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuses other features than TFDS's own: it imports whatever module is named there."""
    for key, value in pairs:
        named = key.replace("_", "").lower() == "pythonclassname"
        if named and not str(value).startswith(_FEATURES):
            raise ValueError(f"features.json names the class {value!r:.80}")
    return dict(pairs)


def _read_split(tfds: Any, builder: Any, part: str, shape: tuple[int, int, int]) -> Split:
    # Decoded here, since TFDS warns on every run without OpenCV.
    source = builder.as_data_source(part, decoders={"image": tfds.decode.SkipDecoding()})
    n = len(source)
    if n * math.prod(shape) > MOST_BYTES:
        raise ValueError(f"{part} claims {n} images")
    order = list(range(n)) if builder.info.disable_shuffling else _shuffled(part, n)
    images, labels = np.empty((n, *shape), np.uint8), np.empty(n, np.int32)
    for start in range(0, n, _CHUNK):
        rows = order[start : start + _CHUNK]
        # A list: TFDS takes no array and reads an iterator three times slower.
        records = source.__getitems__(list(range(start, start + len(rows))))
        for row, record in zip(rows, records, strict=True):
            images[row], labels[row] = _decoded(record["image"], shape), record["label"]
    return Split(images, labels)


def _decoded(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        # By the header, before any pixel is decoded.
        if image.size != (width, height) or image.mode != mode:
            raise ValueError(f"an image is {image.mode} {image.size}, expected {mode} {shape}")
        return np.asarray(image).reshape(shape)


def _shuffled(part: str, n: int) -> list[int]:
    """TFDS's order of n examples keyed 0..n-1: undone, so that either source is one dataset."""
    digests = [hashlib.md5(f"{part}{k}".encode(), usedforsecurity=False).digest() for k in range(n)]
    return sorted(range(n), key=digests.__getitem__)
