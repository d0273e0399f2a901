"""One pytree ↔ one ``.npz``: leaves named by path, written atomically, verified when read.

The zip container carries a CRC of every array, so a flipped bit is an error and never
a wrong number. Nothing is pickled. Equal trees give equal bytes.
"""

import contextlib
import io
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import jax
import numpy as np

from mttjax.errors import InputError

__all__ = ["load_tree", "read_arrays", "read_json", "save_tree", "write_arrays", "write_json"]


@contextlib.contextmanager
def atomically(path, mode="wb"):
    """A file that appears under ``path`` whole and synced when the block ends, or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_arrays(path, arrays):
    """Writes a mapping of names to arrays as ``path``, an ``.npz``."""
    with atomically(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(a), allow_pickle=False)


def read_arrays(path):
    """The arrays of an ``.npz`` as a dictionary, every checksum verified.

    Raises:
      InputError: no such file, not an ``.npz``, truncated, damaged, or with pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.comment for member in members):
                raise zipfile.BadZipFile("its list of members is damaged")
            return {m.filename.removesuffix(".npy"): _array(archive.read(m)) for m in members}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except _DAMAGED as error:
        raise InputError(
            f"{path}: not a whole .npz of plain arrays ({error}); "
            "remove it and run the command that made it again"
        ) from error


# What zipfile and NumPy raise on bytes that are not as they were written; a flipped flag
# reads as an encryption (RuntimeError) or a compression that zipfile does not know.
_DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def _array(data):
    # ``np.load`` stops at the array's end and so misses the checksum where a damaged header
    # asks for less than there is: the member is read whole before its header is believed.
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def save_tree(path, tree):
    """Writes a pytree of arrays; its leaves are named by their paths."""
    write_arrays(path, {name: leaf for name, leaf in _named_leaves(tree)})


def load_tree(path, like):
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


def write_json(path, value):
    """Writes ``value`` as JSON, atomically."""
    with atomically(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def read_json(path):
    """Reads JSON.

    Raises:
      InputError: no such file, or not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error
