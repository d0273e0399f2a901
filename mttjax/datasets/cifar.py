"""CIFAR-10 and CIFAR-100 from their archives, binary or python, without running any pickle."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mttjax.datasets.batches import read_batch
from mttjax.datasets.catalogue import Entry
from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.tarballs import read_members
from mttjax.system.errors import InputError

__all__ = ["read_cifar_archive"]

# Members of (training, test) in each layout.
_LAYOUTS = {
    (10, "binary"): (
        [f"cifar-10-batches-bin/data_batch_{k}.bin" for k in range(1, 6)],
        ["cifar-10-batches-bin/test_batch.bin"],
    ),
    (10, "python"): (
        [f"cifar-10-batches-py/data_batch_{k}" for k in range(1, 6)],
        ["cifar-10-batches-py/test_batch"],
    ),
    (100, "binary"): (["cifar-100-binary/train.bin"], ["cifar-100-binary/test.bin"]),
    (100, "python"): (["cifar-100-python/train"], ["cifar-100-python/test"]),
}


def read_cifar_archive(entry: Entry, paths: Mapping[str, Path]) -> Source:
    """Reads the archive in memory, images [n, 32, 32, 3], fine labels.

    Raises:
      InputError: the archive is damaged or lacks a batch.
    """
    path, n_classes = paths["archive"], len(entry.class_names)
    layouts = {kind: _LAYOUTS[n_classes, kind] for kind in ("binary", "python")}
    wanted = {name for parts in layouts.values() for part in parts for name in part}
    members = read_members(path, wanted)
    python = any(name in members for part in layouts["python"] for name in part)
    kind = "python" if python else "binary"
    missing = [name for part in layouts[kind] for name in part if name not in members]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}. Fetch the archive again")
    decode = _decode_binary if kind == "binary" else _decode_python

    def read(part: list[str]) -> Split:
        batches = [decode(members[name], n_classes, f"{path}: {name}") for name in part]
        pixels, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return as_split(np.ascontiguousarray(images), labels, n_classes, str(path))

    training, test = layouts[kind]
    return Source(entry.class_names, read(training), read(test))


def _decode_binary(content: bytes, n_classes: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    # CIFAR-100 has the superclass before the class.
    n_labels = 1 if n_classes == 10 else 2
    record = n_labels + 3072
    if not content or len(content) % record:
        raise InputError(f"{what} has {len(content)} bytes, not a multiple of {record}: truncated")
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, n_labels:], records[:, n_labels - 1]


def _decode_python(content: bytes, n_classes: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        return read_batch(content, "labels" if n_classes == 10 else "fine_labels")
    # Bytes of unknown origin fail in any way; none of them may pass as data.
    except Exception as error:
        raise InputError(
            f"{what} is not a CIFAR batch: {error}. Fetch the archive again, best the binary one"
        ) from error
