"""A CIFAR batch out of its pickle, which is read as a file format and never run.

``pickletools`` cuts the bytes into opcodes. The few that describe data are followed here, calls
are noted down and never made, and everything else is refused.
"""

import pickletools
from itertools import islice

import numpy as np

__all__ = ["MOST_OPCODES", "read_batch"]

MOST_OPCODES = 2_000_000
"""The longest of the official batches has some 200,000."""

# What NumPy 1 and 2 and Python 2 and 3 name in the pickle of an array.
_KNOWN = {
    *(f"numpy.{core}.multiarray _reconstruct" for core in ("core", "_core")),
    *(f"numpy.{core}.numeric _frombuffer" for core in ("core", "_core")),
    *("numpy ndarray", "numpy dtype", "_codecs encode"),
}


def read_batch(content: bytes, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels [n, 3072] uint8 and the labels [n] int64 of a pickled batch.

    Args:
      content: the pickle, of any protocol; strings of Python 2 and of Python 3 do.
      labels: the key of the labels.

    Raises:
      Exception: of any kind, as the bytes may be anything; nothing was run.
    """
    batch = _Reader().read(content)
    if not isinstance(batch, dict):
        raise ValueError("it holds no dictionary")
    missing = [key for key in ("data", labels) if key not in batch]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}")
    numbers = batch[labels]
    # Looked at one by one: a list that holds itself a hundred times is small until NumPy sees it.
    if not isinstance(numbers, list) or not all(type(k) is int and k < 2**31 for k in numbers):
        raise ValueError(f"its {labels} are not a list of numbers")
    return _pixels(batch["data"], len(numbers)), np.array(numbers, np.int64)


def _pixels(array: object, n: int) -> np.ndarray:
    if not isinstance(array, _Call):
        raise ValueError("its data are not an array")
    if array.name.endswith("_frombuffer"):
        raw, dtype, shape, order = array.args
        by_rows = _text(order) == "C"
    else:
        _, shape, dtype, column_major, raw = array.state
        by_rows = column_major in (False, 0)
    if dtype.name != "numpy dtype" or _text(dtype.args[0]) != "u1" or not by_rows:
        raise ValueError("its pixels are not unsigned bytes by rows")
    if tuple(shape) != (n, 3072):
        raise ValueError(f"its pixels are not {n}, as its labels are, times 3072")
    return np.frombuffer(_raw(raw), np.uint8).reshape(n, 3072)


def _text(value: object) -> str:
    # Python 3 writes the bytes of an old protocol as a text in latin1 and a call that encodes it.
    if isinstance(value, _Call) and value.name == "_codecs encode":
        value = value.args[0]
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if type(value) is not str:
        raise ValueError("it has something else where a text should be")
    return value


def _raw(value: object) -> bytes:
    return value if isinstance(value, bytes | bytearray) else _text(value).encode("latin1")


class _Call:
    """What a pickle says that should be called, and with what; nobody does."""

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple) -> None:
        self.name, self.args, self.state = name, args, None


class _Global(str):
    """A name that a pickle asks for."""

    __slots__ = ()


class _Reader:
    """The stack, the marks and the memo of one pickle."""

    def __init__(self) -> None:
        self.stack, self.marks, self.memo = [], [], {}

    def read(self, content: bytes) -> object:
        for opcode, argument, _ in islice(pickletools.genops(content), MOST_OPCODES):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _WITH_ARGUMENT:
                self.stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            else:
                raise ValueError(f"its opcode {opcode.name} is not data")
        raise ValueError(f"it has more than {MOST_OPCODES} opcodes")

    def mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list:
        return self.last(len(self.stack) - self.marks.pop())

    def last(self, count: int) -> list:
        if not 0 <= count <= len(self.stack):
            raise ValueError("its stack is too short")
        at = len(self.stack) - count
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def extend(self, items: list) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to what is no list")
        self.stack[-1].extend(items)

    def update(self, items: list) -> None:
        if type(self.stack[-1]) is not dict:
            raise ValueError("it sets an item of what is no dictionary")
        # Text alone: hashing tuples that nest deeply overflows the stack of the process.
        keys = map(_text, items[::2])
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def push(self, value: object) -> None:
        self.stack.append(value)

    def name(self, name: str) -> None:
        if name not in _KNOWN:
            raise ValueError(f"it asks for {name[:80]!r}, which is not data")
        self.stack.append(_Global(name))

    def call(self, _: object) -> None:
        function, arguments = self.last(2)
        if type(function) is not _Global or type(arguments) is not tuple:
            raise ValueError("it calls what is no function")
        self.stack.append(_Call(str(function), arguments))

    def build(self, _: object) -> None:
        [state] = self.last(1)
        if type(self.stack[-1]) is not _Call:
            raise ValueError("it gives a state to what has none")
        self.stack[-1].state = state


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_WITH_ARGUMENT = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8"),
}

_ACTIONS = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda reader, _: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _Reader.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Reader.get),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Reader.call),
    "MARK": _Reader.mark,
    "BUILD": _Reader.build,
    "GLOBAL": _Reader.name,
    "STACK_GLOBAL": lambda reader, _: reader.name(" ".join(reader.last(2))),
    "EMPTY_LIST": lambda reader, _: reader.push([]),
    "EMPTY_DICT": lambda reader, _: reader.push({}),
    "LIST": lambda reader, _: reader.push(reader.since_mark()),
    "TUPLE": lambda reader, _: reader.push(tuple(reader.since_mark())),
    "TUPLE1": lambda reader, _: reader.push(tuple(reader.last(1))),
    "TUPLE2": lambda reader, _: reader.push(tuple(reader.last(2))),
    "TUPLE3": lambda reader, _: reader.push(tuple(reader.last(3))),
    "APPEND": lambda reader, _: reader.extend(reader.last(1)),
    "APPENDS": lambda reader, _: reader.extend(reader.since_mark()),
    "SETITEM": lambda reader, _: reader.update(reader.last(2)),
    "SETITEMS": lambda reader, _: reader.update(reader.since_mark()),
}


def _dictionary(reader: _Reader, _: object) -> None:
    items = reader.since_mark()
    reader.push({})
    reader.update(items)


_ACTIONS["DICT"] = _dictionary
