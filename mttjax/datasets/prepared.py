"""Reading what TFDS has prepared as array_record: no TensorFlow, no network."""

import hashlib
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
from PIL import Image

from mttjax.datasets.cache import cached
from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.system.errors import InputError

__all__ = ["MOST_BYTES", "default_data_dir", "find_prepared", "import_tfds", "read_prepared"]

MOST_BYTES = 2**30
"""What the images of a split may have together; the largest official one has 225 MB."""

_CHUNK = 1000
_FEATURES = "tensorflow_datasets.core.features."


def import_tfds(purpose: str) -> ModuleType:
    """Imports tensorflow_datasets.

    Raises:
      InputError: it is not installed, or incomplete.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            f"{purpose} needs tensorflow-datasets ({error}): "
            "pip install tensorflow-datasets importlib_resources"
        ) from error
    return tfds


def default_data_dir() -> Path:
    """Where TFDS keeps its datasets when not told otherwise."""
    return Path(
        os.environ.get("TFDS_DATA_DIR") or os.path.expanduser("~/tensorflow_datasets")
    ).expanduser()


def find_prepared(name: str, roots: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """Looks for ``root/name/<version>`` prepared as array_record.

    Returns:
      The first found, TFDS's present version before others, or None; and the folders
      that hold it damaged or in another format, which only TensorFlow reads.
    """
    unreadable = []
    for root in roots:
        present = root / name / CATALOGUE[name].version
        others = sorted((root / name).glob("*/dataset_info.json"), reverse=True)
        for folder in dict.fromkeys([present, *(path.parent for path in others)]):
            formats = _formats(folder)
            if "array_record" in formats:
                return folder, unreadable
            if formats:
                unreadable.append(folder)
    return None, unreadable


def _formats(folder: Path) -> list[str]:
    try:
        info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        return [info.get("fileFormat", "tfrecord"), *info.get("alternativeFileFormats", [])]
    except OSError:
        return []
    except (ValueError, AttributeError, TypeError, RecursionError):
        return ["damaged"]


def read_prepared(name: str, folder: Path) -> Source:
    """Reads a prepared dataset, in the order of its archives whatever TFDS's order is.

    Args:
      name: a key of ``CATALOGUE``.
      folder: as ``find_prepared`` gives it.

    Raises:
      InputError: tensorflow-datasets is not installed, or the files are damaged.
    """
    return cached(folder, name, lambda: _read(name, folder))


def _read(name: str, folder: Path) -> Source:
    tfds = import_tfds(f"reading {folder}")
    try:
        text = (folder / "features.json").read_text(encoding="utf-8")
        json.loads(text, object_pairs_hook=_known_features)
        builder = tfds.builder_from_directory(folder)
        shape = CATALOGUE[name].shape
        splits = [_read_split(tfds, builder, split, shape) for split in ("train", "test")]
    # The C++ readers raise what they like on damaged files.
    except Exception as error:
        raise InputError(
            f"cannot read {folder}: {error}. Remove that folder and prepare {name} again"
        ) from error
    names = CATALOGUE[name].class_names
    train, test = (as_split(*split, len(names), str(folder)) for split in splits)
    return Source(names, train, test)


def _known_features(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuses other features than TFDS's own: it imports whatever module is named there."""
    for key, value in pairs:
        named = key.replace("_", "").lower() == "pythonclassname"
        if named and not str(value).startswith(_FEATURES):
            raise ValueError(f"features.json names the class {value!r:.80}")
    return dict(pairs)


def _read_split(
    tfds: ModuleType, builder: object, split: str, shape: tuple[int, int, int]
) -> Split:
    # Decoded here, since TFDS warns on every run without OpenCV.
    source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    if len(source) * math.prod(shape) > MOST_BYTES:
        raise ValueError(f"{split} claims {len(source)} images")
    order = range(len(source))
    if not builder.info.disable_shuffling:
        order = _shuffled(split, len(source))
    images = np.empty((len(source), *shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), _CHUNK):
        rows = order[start : start + _CHUNK]
        # A list: TFDS takes no array and reads an iterator three times slower.
        records = source.__getitems__(list(range(start, start + len(rows))))
        for row, record in zip(rows, records, strict=True):
            images[row] = _decoded(record["image"], shape)
            labels[row] = record["label"]
    return Split(images, labels)


def _decoded(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        # By the header, before any pixel is decoded.
        if image.size != (width, height) or image.mode != mode:
            raise ValueError(f"an image is {image.mode} {image.size}, expected {mode} {shape}")
        return np.asarray(image).reshape(shape)


def _shuffled(split: str, n: int) -> list[int]:
    """TFDS's order of the n examples of a split, which are keyed 0..n-1.

    Undone when reading, so that one seed means the same run from either source.
    """

    def digest(key: int) -> bytes:
        return hashlib.md5(f"{split}{key}".encode(), usedforsecurity=False).digest()

    return sorted(range(n), key=digest)
