"""One pytree ↔ one ``.npz``, its leaves named by their paths. Equal trees give equal bytes."""

import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays, write_arrays

__all__ = ["load_tree", "save_tree", "tree_checksum"]


def save_tree(path: str | Path, tree: Any) -> None:
    """Writes a pytree of arrays; its leaves are named by their paths."""
    write_arrays(path, {name: leaf for name, leaf in _named_leaves(tree)})


def load_tree(path: str | Path, like: Any) -> Any:
    """Reads a pytree with the structure, shapes and dtypes of ``like``.

    Args:
      path: what ``save_tree`` wrote.
      like: a pytree of arrays or ``jax.ShapeDtypeStruct``.

    Returns:
      The tree, of NumPy arrays.

    Raises:
      InputError: a damaged file, or one whose leaves are not those of ``like``.
    """
    arrays = read_arrays(path)
    leaves = []
    for name, leaf in _named_leaves(like):
        found = arrays.pop(name, None)
        expected = (tuple(leaf.shape), np.dtype(leaf.dtype))
        if found is None or (found.shape, found.dtype) != expected:
            seen = "nothing" if found is None else f"{found.shape} {found.dtype}"
            raise InputError(
                f"{path}: expected {name} as {expected[0]} {expected[1]}, found {seen}; "
                "was it made with other settings?"
            )
        leaves.append(found)
    if arrays:
        raise InputError(f"{path}: holds {sorted(arrays)} too, which was not expected")
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _named_leaves(tree):
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        yield jax.tree_util.keystr(path, simple=True, separator="/") or "value", leaf


def tree_checksum(tree: Any) -> str:
    """A CRC-32 over the leaves' paths, dtypes, shapes and bytes, as eight hexadecimal digits.

    A dictionary of the leaves by their paths, as ``read_arrays`` gives it, has that of the tree.
    """
    crc = 0
    for name, leaf in sorted(_named_leaves(tree), key=lambda named: named[0]):
        header = f"{name} {np.asarray(leaf).dtype} {np.shape(leaf)};"
        crc = zlib.crc32(np.asarray(leaf).tobytes(), zlib.crc32(header.encode(), crc))
    return f"{crc:08x}"
