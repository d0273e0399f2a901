"""Builders of hostile files, small on disk."""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image
from small import small_set

from mttjax.distilled import save_distilled

__all__ = [
    "Command",
    "bomb_image",
    "cifar_of_pickles",
    "claiming_npz",
    "forged_set",
    "lying_npz",
    "nested",
    "npy",
    "pickled_command",
]

_MIB = bytes(2**20)


class Command:
    """Pickles as a call of ``os.system`` that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def pickled_command(marker, protocol):
    return pickle.dumps({b"data": Command(marker), b"labels": [0]}, protocol=protocol)


def forged_set(path, **metadata):
    """A set whose metadata say what ``DistilledSet`` would not take."""
    save_distilled(path, small_set())
    with np.load(path) as file:
        members = dict(file)
    record = json.loads(members["metadata"].item()) | metadata
    np.savez(path, **members | {"metadata": np.array(json.dumps(record))})


def nested(levels):
    """A list in a list in a list."""
    tree = []
    for _ in range(levels):
        tree = [tree]
    return tree


def npy(shape, data=bytes(4), dtype="<f4"):
    """The bytes of an ``.npy`` that claims a shape."""
    out = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, about)
    return out.getvalue() + data


def claiming_npz(path, names, size):
    """An ``.npz`` of a few bytes whose list of members claims ``size`` bytes of each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"{name}.npy", npy((1,)))
        for member in archive.infolist():
            member.file_size = size


def lying_npz(path, names, mebibytes):
    """One whose members unpack to so many MiB and claim a hundred bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy((mebibytes * 2**18,), b""))
                for _ in range(mebibytes):
                    member.write(_MIB)
        for member in archive.infolist():
            member.file_size = 100


def cifar_of_pickles(path, content):
    """CIFAR-10's python archive with ``content`` in place of every batch."""
    with tarfile.open(path, "w:gz") as archive:
        for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta"):
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def bomb_image(path, kind, side=60_000):
    """An image of a few hundred bytes whose header claims ``side`` x ``side`` pixels."""
    out = io.BytesIO()
    Image.new("L", (9, 7)).save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    data = out.getvalue()
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">2I", side, side) + data[24:29]
        data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    elif kind == "GIF":
        data = data[:6] + struct.pack("<2H", side, side) + data[10:]
        at = data.index(b",") + 5
        data = data[:at] + struct.pack("<2H", side, side) + data[at + 4 :]
    elif kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data = data[:at] + struct.pack(">2H", side, side) + data[at + 4 :]
    elif kind == "BMP":
        data = data[:18] + struct.pack("<2i", side, side) + data[26:]
    elif kind == "PPM":
        data = f"P5 {side} {side} 255\n".encode() + bytes(9)
    elif kind == "TIFF":
        data = _tiff(side)
    elif kind == "WEBP":
        data = _webp(side)
    path.write_bytes(data)


def _tiff(side):
    tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, side), (279, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def _webp(side):
    side = min(side, 16384)  # more cannot be said
    bits = (side - 1) | (side - 1) << 14
    chunk = b"VP8L" + struct.pack("<I", 12) + b"\x2f" + struct.pack("<I", bits) + bytes(7)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
