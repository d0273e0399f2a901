"""What ``torch.save`` wrote, read without PyTorch: tensors and what holds them, nothing else.

A ``.pt`` is a zip of members that are not compressed, under one folder R: ``R/data.pkl`` pickles
the structure, ``R/data/KEY`` are the raw numbers of a storage. Nothing that a stranger's file names
is imported or called: what stands for a tensor is made here, after every offset and size was held
against the storage. Numbers are read when they are asked for, a storage at a time.
"""

import contextlib
import dataclasses
import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.files import require_file

__all__ = ["Tensor", "open_torch"]

MOST_PICKLED = 64 * 2**20
"""Bytes of the structure; that of 10 experts of 100 epochs takes 5 MB."""

MOST_DIMENSIONS = 8

_OLD_FORMAT = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")  # the number that such files begin with


class _Kind(NamedTuple):
    """What a storage holds."""

    name: str
    dtype: np.dtype


_DTYPES = {
    **{"Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Long": "<i8"},
    **{"Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?"},
}
_KINDS = {f"{name}Storage": _Kind(name, np.dtype(code)) for name, code in _DTYPES.items()}


class _Storage(NamedTuple):
    """A storage that the structure names, and how its bytes are read."""

    key: str
    kind: _Kind
    numbers: int
    load: Callable[[str], bytes]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tensor:
    """A tensor of a file that is open; its numbers are read by ``read``."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In numbers, not bytes."""
    offset: int
    storage: _Storage

    @property
    def key(self) -> str:
        """The name of the storage that its numbers lie in; others may lie there too."""
        return self.storage.key

    def read(self) -> np.ndarray:
        """Its numbers as an array of its own; bfloat16 as float32.

        Raises:
          InputError: the file is damaged there.
        """
        _, kind, numbers, load = self.storage
        flat = np.frombuffer(load(self.key), kind.dtype, count=numbers)[self.offset :]
        steps = [stride * kind.dtype.itemsize for stride in self.strides]
        array = np.array(np.lib.stride_tricks.as_strided(flat, self.shape, steps), order="C")
        if kind.name == "BFloat16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array


@contextlib.contextmanager
def open_torch(path: str | Path) -> Iterator[Any]:
    """What a file of ``torch.save`` holds: lists, tuples, dictionaries, numbers, text, ``Tensor``.

        with open_torch("images_best.pt") as images:
            array = images.read()

    Tensors are read while the file is open. NumPy's scalars are passed over: None is not in
    their place, but an object without meaning.

    Raises:
      InputError: no such file, one that torch.save did not write, a damaged one, one of the
        format before PyTorch 1.6, or one that asks for anything that is not data; nothing of it
        was run.
    """
    require_file(path)
    with contextlib.ExitStack() as opened:
        with _said_of(path):
            file = opened.enter_context(open(path, "rb"))
            if file.read(len(_OLD_FORMAT)) == _OLD_FORMAT:
                raise ValueError(
                    "saved in PyTorch's old format: load and save it once with PyTorch 1.6 or newer"
                )
            tree = _Archive(path, opened.enter_context(zipfile.ZipFile(file))).tree()
        yield tree


@contextlib.contextmanager
def _said_of(path):
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # of any kind, as the bytes may be anything
        text = str(error) or type(error).__name__
        raise InputError(f"{path}: not a whole file of torch.save's tensors ({text})") from error


class _Archive:
    """The zip, its members looked at before anything is read."""

    def __init__(self, path, archive):
        self._path, self._archive, self._last = path, archive, ("", b"")
        listed = archive.infolist()
        self._members = {member.filename: member for member in listed}
        if len(self._members) < len(listed):
            raise ValueError("a member is there twice")
        size = Path(path).stat().st_size
        for member in listed:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise ValueError(f"{member.filename[:80]!r} is compressed or encrypted")
            if not member.compress_size == member.file_size <= size:
                raise ValueError(f"{member.filename[:80]!r} claims more bytes than there are")
        roots = [name for name in self._members if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError(f"it has {len(roots)} members data.pkl")
        self._root = roots[0].removesuffix("data.pkl")
        order = f"{self._root}byteorder"
        if order in self._members and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian: save it on a little-endian machine")

    def tree(self):
        member = self._members[f"{self._root}data.pkl"]
        if member.file_size > MOST_PICKLED:
            raise ValueError(f"its data.pkl has {member.file_size} bytes, over {MOST_PICKLED}")
        return _Unpickler(self._archive.read(member), self.storage).load()

    def storage(self, pid):
        """The storage of a persistent id ('storage', kind, key, place, numbers)."""
        label, kind, key, _, numbers = pid
        if label != "storage" or not isinstance(kind, _Kind) or type(key) is not str:
            raise ValueError("it names something else than a storage")
        member = self._members.get(f"{self._root}data/{key}")
        if member is None:
            raise ValueError(f"its storage {key[:80]!r} is not there")
        if type(numbers) is not int or not 0 <= numbers * kind.dtype.itemsize <= member.file_size:
            raise ValueError(f"its storage {key!r} has fewer bytes than it claims")
        return _Storage(key, kind, numbers, self._load)

    def _load(self, key):
        """The bytes of a storage, their checksum seen; the last one is kept, as views share it."""
        if self._last[0] != key:
            with _said_of(self._path):
                self._last = key, self._archive.read(f"{self._root}data/{key}")
        return self._last[1]


def _tensor(storage, offset, size, stride, requires_grad, hooks, metadata=None):
    """In the place of ``torch._utils._rebuild_tensor_v2``."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("a tensor has an offset, a size or a stride that is none")
    if len(size) != len(stride) or len(size) > MOST_DIMENSIONS:
        raise ValueError(f"a tensor has {len(size)} sizes and {len(stride)} strides")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if max(count, offset, last if count else 0) > storage.numbers:
        raise ValueError(f"a tensor of {size} goes past the end of its storage")
    return Tensor(tuple(size), tuple(stride), offset, storage)


def _parameter(data, requires_grad, hooks):
    """In the place of ``torch._utils._rebuild_parameter``."""
    return data


class _Dictionary(dict):
    """Stands for a dictionary; its keys are text."""

    def __setitem__(self, key, value):
        # Hashing tuples that nest deeply overflows the stack of the process.
        if type(key) is not str:
            raise ValueError("it has a key that is no text")
        super().__setitem__(key, value)


def _dictionary():
    """In the place of ``collections.OrderedDict``, which is given no items, unlike a dictionary."""
    return _Dictionary()


class _PassedOver:
    """Stands for what NumPy's scalars are made of; they are not read."""

    __slots__ = ()

    def __init__(self, *_):
        pass


_STAND_INS: dict[tuple[str, str], object] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): _dictionary,
    ("numpy.core.multiarray", "scalar"): _PassedOver,
    ("numpy._core.multiarray", "scalar"): _PassedOver,
    ("numpy", "dtype"): _PassedOver,
    ("_codecs", "encode"): _PassedOver,
    **{("torch", name): kind for name, kind in _KINDS.items()},
}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler in Python, of which torch.save's opcodes are left."""

    def __init__(self, content, storage):
        super().__init__(io.BytesIO(content))
        self.persistent_load = storage

    def find_class(self, module, name):
        if (module, name) not in _STAND_INS:
            raise ValueError(f"it asks for {f'{module}.{name}'[:80]!r}, which is not data")
        return _STAND_INS[module, name]

    def _dictionary(self):
        self.append(_Dictionary())

    def _build(self):
        self.stack.pop()
        if not isinstance(self.stack[-1], _PassedOver):
            raise ValueError("it gives a state to what has none")

    dispatch = {  # type: ignore[assignment]
        opcode[0]: pickle._Unpickler.dispatch[opcode[0]]
        for opcode in (
            *(pickle.PROTO, pickle.GLOBAL, pickle.BINPERSID, pickle.REDUCE, pickle.STOP),
            *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.MARK),
            *(pickle.BINUNICODE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1),
            *(pickle.BINFLOAT, pickle.NEWTRUE, pickle.NEWFALSE, pickle.NONE),
            *(pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
            *(pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.SETITEM, pickle.SETITEMS),
        )
    } | {pickle.EMPTY_DICT[0]: _dictionary, pickle.BUILD[0]: _build}
