"""Bad datasets: arrays, folders of images and archives whose content and names are wrong."""

import contextlib
import os
import shutil
import struct
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from benchmarks.torture.inputs_values import NAMES, TEXTS, Target, arrays
from mttjax.datasets import load_dataset
from mttjax.system.errors import InputError

__all__ = ["targets"]


@contextlib.contextmanager
def targets():
    """The targets, in a folder of their own."""
    kinds = (
        ("arrays", 900, array_cases(), put_arrays),
        ("image_folder", 400, folder_cases(), put_images),
        ("idx", 400, idx_cases(), put_idx),
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "data"
        yield [
            Target(f"dataset {name}", cases, strategy, partial(read, place, put), (InputError,))
            for name, cases, strategy, put in kinds
        ]


def read(folder, put, case):
    """A dataset whose files ``put(folder, case)`` writes."""
    folder.mkdir()
    try:
        settings = put(folder, case)
        dataset = load_dataset(**settings)
        assert len(dataset.train.labels) > 0
        assert dataset.train.images.dtype == np.uint8
        return True
    finally:
        shutil.rmtree(folder)


CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "classes": st.sampled_from(
            [(), (0,), (1, 0), (0, 0), (5,), (-1, 0), ("a",), (0, 1, 10**30)]
        ),
        "validation": st.sampled_from([0, 0.5, 0.1, 1, -0.1, float("nan"), "a", None, True]),
        "seed": st.sampled_from([0, 1, -1, 2**64, 1.5, None, "x"]),
        "resolution": st.sampled_from([None, 4, 8, 3, 1025, 10**9, -1, 4.0, "4"]),
    },
)


@st.composite
def array_cases(draw):
    members = {
        "x_train": np.zeros((6, 4, 4, 1), np.uint8),
        "y_train": np.arange(6, dtype=np.int64) % 2,
        "x_test": np.zeros((4, 4, 4, 1), np.uint8),
        "y_test": np.arange(4, dtype=np.int64) % 2,
    }
    dtypes = ("uint8", "uint8", "int64", "float32", "bool", "complex64")
    for name in draw(st.lists(st.sampled_from(sorted(members)), max_size=2, unique=True)):
        odd = st.none() | st.sampled_from([np.array("x"), np.array([b"y"]), np.array(2**63 - 1)])
        members[name] = draw(arrays(members[name].shape, dtypes) | odd)
    if draw(st.booleans()):
        members["class_names"] = np.array(draw(st.lists(TEXTS.filter(printable), max_size=3)))
    return members, draw(CHOICES if draw(st.booleans()) else st.just({}))


def printable(text):
    """NumPy's strings have no lone surrogates, files no such names."""
    return text.isprintable() and "\0" not in text


def put_arrays(folder, case):
    """An ``.npz`` of the user's own."""
    members, choices = case
    np.savez(folder / "a.npz", **{name: x for name, x in members.items() if x is not None})
    return {"name": "arrays", "folder": folder / "a.npz"} | choices


FOLDER_NAMES = st.sampled_from(
    [n for n in NAMES if n and n not in (".", "..") and "/" not in n and len(os.fsencode(n)) < 200]
) | st.sampled_from(["train", "test", "val", ".hidden", "0", "cat", "dog"])
FILES = st.sampled_from(
    ["png"] * 30 + ["grey"] * 5 + ["16", "text", "empty", "cut", "fifo", "loop"]
)


@st.composite
def folder_cases(draw):
    root = draw(st.sampled_from(["", "", "train/"]))
    least = draw(st.sampled_from([0, 2, 2]))
    classes = draw(st.lists(FOLDER_NAMES, max_size=4, unique=True))
    files = {f"{root}{name}": draw(st.lists(FILES, min_size=least, max_size=3)) for name in classes}
    if root and draw(st.booleans()):
        files |= {f"test/{name}": draw(st.lists(FILES, max_size=2)) for name in classes}
    return files, {"resolution": 4} | draw(CHOICES if draw(st.booleans()) else st.just({}))


def put_images(folder, case):
    """A folder of images."""
    files, choices = case
    for name, kinds in files.items():
        (folder / name).mkdir(parents=True)
        for number, kind in enumerate(kinds):
            put_image(folder / name / f"{number}.png", kind)
    return {"name": "image_folder", "folder": folder} | choices


def put_image(path, kind):
    """An image, or what has its name."""
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind in ("text", "empty"):
        path.write_bytes(b"no image" if kind == "text" else b"")
    else:
        mode = {"grey": "L", "16": "I;16"}.get(kind, "RGB")
        Image.new(mode, (5, 6)).save(path)
        if kind == "cut":
            path.write_bytes(path.read_bytes()[:-30])


@st.composite
def idx_cases(draw):
    files = {}
    for name, n in (("train", 20), ("t10k", 10)):
        images = struct.pack(">4I", 0x803, n, 28, 28) + bytes(n * 784)
        labels = struct.pack(">2I", 0x801, n) + bytes(i % 10 for i in range(n))
        files |= {f"{name}-images-idx3-ubyte": images, f"{name}-labels-idx1-ubyte": labels}
    for name in draw(st.lists(st.sampled_from(sorted(files)), max_size=2)):
        data = bytearray(files[name])
        at = draw(st.integers(0, 15))
        word = draw(st.sampled_from([0, 1, 10, 0x801, 0x803, 2**31, 2**32 - 1]))
        data[at : at + 4] = struct.pack(">I", word)
        files[name] = bytes(data[: draw(st.sampled_from([len(data), len(data) - 1, 8, 3, 0]))])
    return files, draw(CHOICES if draw(st.booleans()) else st.just({}))


def put_idx(folder, case):
    """The four files of MNIST."""
    files, choices = case
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {"name": "mnist", "folder": folder} | choices
