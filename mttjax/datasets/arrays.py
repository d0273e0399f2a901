"""Images that are arrays already: scikit-learn's digits and the user's own ``.npz``."""

import zipfile
from pathlib import Path

import numpy as np

from mttjax.datasets.checks import as_split
from mttjax.datasets.dataset import Source, Split, split_off, take
from mttjax.datasets.depth import bits_of, to_eight_bits
from mttjax.system.errors import InputError
from mttjax.system.memory import physical_memory
from mttjax.system.npz import read_arrays as read_npz

__all__ = ["MOST_BYTES", "read_arrays", "read_digits"]

MOST_BYTES = 16 * 2**30
"""What the arrays may have together; the whole of ImageNet at 64 x 64 fits."""

_SPELLINGS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("images", "labels", "test_images", "test_labels"),
)
_VALIDATION = (("x_val", "y_val"), ("val_images", "val_labels"), ("val_images", "val_labels"))
"""Of each spelling, where it is there."""
_NAMES = "class_names"


def read_digits() -> Source:
    """The 1,797 digits, [n, 8, 8, 1] uint8; a quarter is the test set, always the same."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    everything = Split(images, bunch.target.astype(np.int32))
    # A constant and no stream of seeds: figures from different seeds must share their test set.
    train, test = split_off(everything.labels, 0.25, np.random.default_rng(0))
    names, origins = tuple(map(str, range(10))), {"test": "a quarter of all"}
    return Source(names, take(everything, train), take(everything, test), origins=origins)


def read_arrays(path: Path) -> Source:
    """Reads x_train, y_train, x_test, y_test and, when there, x_val, y_val and class_names.

    Images are [n, H, W, C] or [n, H, W] uint8, labels [n] or [n, 1] integers. uint16 images are
    scaled to uint8, which is said: white is what the bits hold that the images use. The names
    train_images, train_labels and so on (as MedMNIST has them), or images, labels, test_images,
    test_labels, do as well. Nothing is unpickled.

    Raises:
      InputError: not an ``.npz``, damaged, larger than ``MOST_BYTES``, an array missing or
        not as above, a class number without training images.
    """
    arrays = _read(path)
    at = next((k for k, keys in enumerate(_SPELLINGS) if keys[0] in arrays), 0)
    keys, (x_val, y_val) = _SPELLINGS[at], _VALIDATION[at]
    held = (x_val, y_val) if {x_val, y_val} & set(arrays) else ()
    if missing := [key for key in (*keys, *held) if key not in arrays]:
        spellings = ", or ".join(", ".join(keys) for keys in _SPELLINGS)
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {_listed(_members(path))}. Expected "
            f"{spellings}: training and test images with their labels, under these names"
        )
    images = [key for key in (keys[0], keys[2], x_val) if key in arrays]
    scaled = _scale_down(arrays, images)
    names = arrays.get(_NAMES)
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise InputError(
            f"{path}: class_names is {names.dtype} {names.shape}, expected [K] strings"
        )
    n_classes = None if names is None else len(names)
    train = as_split(arrays[keys[0]], arrays[keys[1]], n_classes, f"{path}: training")
    if names is None:
        present = np.unique(train.labels)
        absent = np.flatnonzero(present != np.arange(len(present)))
        if len(absent):
            raise InputError(
                f"{path}: {keys[1]} goes up to {present[-1]} but class {absent[0]} is empty: "
                "number the classes 0, 1, ... without a gap"
            )
        names = present
    test = as_split(arrays[keys[2]], arrays[keys[3]], len(names), f"{path}: test")
    validation, origins = None, {}
    if held:
        validation = as_split(arrays[x_val], arrays[y_val], len(names), f"{path}: validation")
        origins["validation"] = x_val
    others = [name for name in _members(path) if name not in (*keys, *held, _NAMES)]
    remarks = (*scaled, f"not read: {_listed(others)}") if others else scaled
    return Source(tuple(map(str, names)), train, test, validation, origins, remarks)


def _scale_down(arrays: dict[str, np.ndarray], keys: list[str]) -> tuple[str, ...]:
    """Makes uint8 of images that all are uint16, by one scale; what to say of it."""
    if any((a := arrays[key]).dtype.kind != "u" or a.dtype.itemsize != 2 for key in keys):
        return ()
    bits = bits_of(max(int(arrays[key].max(initial=0)) for key in keys))
    for key in keys:
        arrays[key] = to_eight_bits(arrays[key], bits)
    return (f"uint16, {bits} bits of it used, scaled to 8",)


def _members(path: Path) -> list[str]:
    """The names of all arrays there, whether read or not."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "nothing"


def _read(path: Path) -> dict[str, np.ndarray]:
    wanted = {key for keys in (*_SPELLINGS, *_VALIDATION) for key in keys} | {_NAMES}
    try:
        return read_npz(path, only=wanted, most=min(MOST_BYTES, physical_memory()))
    except InputError as error:
        # The reader's own remedy is for files that this package wrote.
        raise InputError(
            f"cannot read {path}: {error.__cause__}. Expected an .npz of plain arrays, as "
            "numpy.savez writes it (object arrays are not read: they could run code)"
        ) from error
