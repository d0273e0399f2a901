"""Arrays as a file that ``torch.load`` reads, also with ``weights_only`` and ``mmap``; no PyTorch.

Equal arrays give equal bytes. Of lazy arrays one is held at a time.
"""

import dataclasses
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.system.files import atomically

__all__ = ["LazyArray", "write_torch"]

ALIGNMENT = 64
"""Of the bytes of a storage in the file, as PyTorch maps them into memory."""

_STORAGES = {
    **{"float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage"},
    **{"int64": "LongStorage", "int32": "IntStorage", "int16": "ShortStorage"},
    **{"int8": "CharStorage", "uint8": "ByteStorage", "bool": "BoolStorage"},
}


@dataclasses.dataclass(frozen=True)
class LazyArray:
    """An array that is made when it is written."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]


def write_torch(path: str | Path, tree: Any) -> None:
    """Writes ``tree`` as ``torch.save`` does: arrays come back as tensors, on the CPU.

    Args:
      path: the file.
      tree: an array or a ``LazyArray``, or lists and dictionaries of these, of numbers and of text.

    Raises:
      KeyError: an array of a type that PyTorch has not, or that nobody needed yet.
    """
    arrays: list[np.ndarray | LazyArray] = []
    content = b"".join([pickle.PROTO, b"\2", *_opcodes(tree, arrays), pickle.STOP])
    with atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        _write(archive, "archive/data.pkl", content)
        _write(archive, "archive/byteorder", b"little")
        for number, leaf in enumerate(arrays):
            array = np.asarray(leaf.read() if isinstance(leaf, LazyArray) else leaf)
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            _write(archive, f"archive/data/{number}", little.tobytes())
        _write(archive, "archive/version", b"3\n")


def _write(archive, name, content):
    """A member that begins at a multiple of ``ALIGNMENT``; the place is taken by an extra field."""
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    begin = archive.start_dir + zipfile.sizeFileHeader + len(name) + 4
    padding = -begin % ALIGNMENT
    member.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
    archive.writestr(member, content)


def _opcodes(value, arrays) -> Iterator[bytes]:
    if isinstance(value, list):
        yield pickle.EMPTY_LIST + pickle.MARK
        for item in value:
            yield from _opcodes(item, arrays)
        yield pickle.APPENDS
    elif isinstance(value, dict):
        yield pickle.EMPTY_DICT + pickle.MARK
        for name, item in value.items():
            yield _plain(name)
            yield from _opcodes(item, arrays)
        yield pickle.SETITEMS
    elif isinstance(value, np.ndarray | LazyArray):
        yield _tensor(value, str(len(arrays)))
        arrays.append(value)
    else:
        yield _plain(value)


def _tensor(array, key):
    """The opcodes of ``_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())``."""
    storage = _global("torch", _STORAGES[array.dtype.name])
    numbers = math.prod(array.shape)
    strides = [math.prod(array.shape[axis + 1 :]) for axis in range(len(array.shape))]
    named = (_plain("storage"), storage, _plain(key), _plain("cpu"), _plain(numbers))
    return b"".join(
        [
            *(_global("torch._utils", "_rebuild_tensor_v2"), pickle.MARK),
            *(_tuple(*named), pickle.BINPERSID, _plain(0)),
            *(_tuple(*map(_plain, sizes)) for sizes in (array.shape, strides)),
            *(pickle.NEWFALSE, _global("collections", "OrderedDict"), pickle.EMPTY_TUPLE),
            *(pickle.REDUCE, pickle.TUPLE, pickle.REDUCE),
        ]
    )


def _global(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _tuple(*items):
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def _plain(value):
    """A number or text, without the first two bytes and the last, which are those of a file."""
    return pickle.dumps(value, protocol=2)[2:-1]
