"""A CIFAR batch out of its pickle, by an unpickler that knows what its makers used: NumPy's arrays.

Stand-ins take the place of what the pickle of an array names: nothing that a stranger chose is
imported or called, not even NumPy's own, and no memory is taken that the bytes do not fill.
"""

import io
import pickle

import numpy as np

__all__ = ["read_batch"]


def read_batch(content: bytes, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [n, 3072] uint8 and the labels [n] int64 of a batch that Python 2 pickled.

    Args:
      content: the pickle.
      labels: the key of the labels.

    Raises:
      Exception: of any kind, as the bytes may be anything; nothing was run.
    """
    batch = _Unpickler(content).load()
    if not isinstance(batch, _Dictionary):
        raise ValueError("it holds no dictionary")
    if missing := [key for key in ("data", labels) if key not in batch]:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    array, numbers = batch["data"], batch[labels]
    # Looked at one by one: a list that holds itself a hundred times is small until NumPy sees it.
    if not isinstance(numbers, list) or not all(type(k) is int and k < 2**31 for k in numbers):
        raise ValueError(f"its {labels} are not a list of numbers")
    if not isinstance(array, _Array):
        raise ValueError("its data are not an array")
    pixels = array.pixels()
    if pixels.shape != (len(numbers), 3072):
        raise ValueError(f"its pixels are not {len(numbers)}, as its labels are, times 3072")
    return pixels, np.array(numbers, np.int64)


class _Array:
    """Stands for NumPy's array and for what makes one, which gives it the state below."""

    def __init__(self, *_: object) -> None:
        self.content: tuple = (None, None, None, "C")

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, column_major, raw = state
        self.content = raw, dtype, shape, "F" if column_major else "C"

    def pixels(self) -> np.ndarray:
        raw, dtype, shape, order = self.content
        if not isinstance(raw, str) or not isinstance(dtype, _Uint8):
            raise ValueError("its pixels are not unsigned bytes")
        # Python 2 had one kind of text and bytes, which is read as text.
        return np.frombuffer(raw.encode("latin1"), np.uint8).reshape(shape, order=order)


class _Uint8:
    """Stands for NumPy's dtype."""

    __slots__ = ()

    def __init__(self, name: object, *_: object) -> None:
        if name != "u1":
            raise ValueError("its pixels are not unsigned bytes")

    def __setstate__(self, state: object) -> None:
        """The byte order and the like, which bytes have none of."""


class _Dictionary(dict):
    """Stands for a dictionary; its keys are text."""

    def __setitem__(self, key: object, value: object) -> None:
        # Hashing tuples that nest deeply overflows the stack of the process.
        if not isinstance(key, str):
            raise ValueError("it has a key that is no text")
        super().__setitem__(key, value)


_STAND_INS: dict[tuple[str, str], type] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Uint8,
}


class _Unpickler(pickle._Unpickler):
    """Python's own unpickler in Python: of the one in C, no opcode can be replaced."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _STAND_INS:
            raise ValueError(f"it asks for {f'{module}.{name}'[:80]!r}, which is not data")
        return _STAND_INS[module, name]

    def _dictionary(self):
        self.append(_Dictionary())

    dispatch = pickle._Unpickler.dispatch | {pickle.EMPTY_DICT[0]: _dictionary}  # type: ignore[assignment]
    # What hashes, what looks elsewhere, and what takes the memory that a length claims.
    for _opcode in (
        *(pickle.DICT, pickle.EMPTY_SET, pickle.FROZENSET),
        *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.BYTEARRAY8),
    ):
        del dispatch[_opcode[0]]
