"""Builders of hostile files, small on disk."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import Standardize
from mttjax.distilled import DistilledSet, save_distilled

EVIL = "<script>alert(1)</script>\"><img src=x onerror=1>&'"
"""What must be seen on a page as it stands here, and do nothing."""

PATHS = (
    *("../../x", "/etc/x", "a/b", "C:\\x", "..", ".", "", " ", "con", "CON.txt", "x" * 5000),
    *("😀😀", "a\u202eb", "~", "$HOME", "-rf", "a\u2044b", "\uff0e\uff0e\uff0fx", "nul "),
)
"""Names that are paths somewhere, or more than a file system takes."""

_MIB = bytes(2**20)


class Command:
    """Pickles as a call of ``os.system`` that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def distilled(**changes):
    """A set of two images of two classes."""
    fields = {
        "images": np.linspace(-1, 1, 2 * 8 * 8, dtype=np.float32).reshape(2, 8, 8, 1),
        "labels": np.eye(2, dtype=np.float32),
        "lr": 0.01,
        "preprocessing": Standardize(np.full(1, 0.5, np.float32), np.ones(1, np.float32)),
        "ops": (),
        "network": NetworkSpec(depth=1, width=4),
        "dataset": "digits",
        "class_names": ("0", "1"),
        "seed": 0,
        "settings": {},
        "versions": {},
    }
    return DistilledSet(**fields | changes)


def forged_set(path, **metadata):
    """A set whose metadata say what ``DistilledSet`` would not take."""
    save_distilled(path, distilled())
    with np.load(path) as file:
        members = dict(file)
    record = json.loads(members["metadata"].item()) | metadata
    np.savez(path, **members | {"metadata": np.array(json.dumps(record))})
    return path


def npy_header(shape, dtype="<f4"):
    out = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, about)
    return out.getvalue()


def zeros_npz(path, name, mebibytes):
    """An ``.npz`` that truthfully holds so many MiB of zeros, in a thousandth of that."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy_header((mebibytes * 2**18,)))
        for _ in range(mebibytes):
            member.write(_MIB)
    return path


def claiming_npz(path, name, size):
    """An ``.npz`` of a few KB whose list of members claims ``size`` bytes, below 2**32."""
    zeros_npz(path, name, 1)
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, directory + 24, size)
    path.write_bytes(data)
    return path


def zip64_claim(path, name, size):
    """The same with the large sizes of zip64."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", npy_header((1,)) + bytes(4))
        archive.infolist()[0].file_size = size
    return path


def tar_of(path, members, opener=gzip.open):
    """A tar of (TarInfo or name, content) pairs; mebibytes of zeros where content is a number."""
    with opener(path, "wb") as out:
        for info, content in members:
            info = tarfile.TarInfo(info) if isinstance(info, str) else info  # noqa: PLW2901
            zeros = isinstance(content, int)
            if info.isreg() or content:
                info.size = content * 2**20 if zeros else len(content)
            out.write(info.tobuf(tarfile.GNU_FORMAT))
            for part in [_MIB] * content if zeros else [content + bytes(-len(content) % 512)]:
                out.write(part)
        out.write(bytes(1024))
    return path


def tar_info(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def cifar_of_pickle(path, content):
    """CIFAR-10's python archive with ``content`` in place of every batch."""
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    return tar_of(path, [(f"cifar-10-batches-py/{name}", content) for name in names])


def pickled_command(marker, protocol):
    return pickle.dumps({b"data": Command(marker), b"labels": [0]}, protocol=protocol)


def deep_key():
    """A pickle of a dictionary whose key is a tuple in a tuple, 300,000 deep."""
    return b"\x80\x02})" + b"\x85" * 300_000 + b"Ns."


def laughs():
    """A pickle whose labels are ten lists of ten lists of ..., a billion numbers."""
    items = [b"U\x04dataN", b"U\x01a]q\x00(" + b"K\x00" * 10 + b"e"]
    for k in range(1, 9):
        items.append(b"U\x01a]q%c(" % k + b"h%c" % (k - 1) * 10 + b"e")
    return b"\x80\x02}(" + b"".join(items) + b"U\x06labelsh\x08u."


def encoded_often():
    """A pickle that has a text of 4 MiB encoded 20,000 times."""
    text = b"X" + struct.pack("<I", 2**22) + b"a" * 2**22
    setup = b"c_codecs\nencode\nq\x00" + text + b"q\x01" + b"U\x06latin1q\x02"
    return b"\x80\x02](" + setup + b"h\x00h\x01h\x02\x86R" * 20_000 + b"e."


def idx_bomb(path, shape, mebibytes):
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(struct.pack(">4I", 0x803, *shape))
        for _ in range(mebibytes):
            out.write(_MIB)
    return path


def mat_of(path, *elements):
    """A MATLAB file of version 5 with raw elements (kind, content)."""
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(head + b"".join(struct.pack("<2I", k, len(c)) + c for k, c in elements))
    return path


def mat_matrix(name, shape, mebibytes, claimed=None):
    """A compressed variable of uint8 zeros that claims ``shape``; an element for ``mat_of``."""
    flags = struct.pack("<4I", 6, 8, 9, 0)
    dims = struct.pack(f"<2I{len(shape)}i", 5, 4 * len(shape), *shape) + bytes(-4 * len(shape) % 8)
    label = struct.pack("<2I", 1, len(name)) + name + bytes(-len(name) % 8)
    size = 2**20 * mebibytes
    body = flags + dims + label + struct.pack("<2I", 2, size if claimed is None else claimed)
    pack = zlib.compressobj(1)
    packed = pack.compress(struct.pack("<2I", 14, len(body) + size) + body)
    for _ in range(mebibytes):
        packed += pack.compress(_MIB)
    return 15, packed + pack.flush()


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
    return path


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


class Page(HTMLParser):
    """The elements, the attributes and the text of a page, and what has no place there."""

    TAGS = frozenset(
        [
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "main",
            "h1",
            "h2",
            "p",
            "div",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "figure",
            "img",
            "figcaption",
            "details",
            "summary",
            "pre",
            "code",
        ]
    )

    def __init__(self, text):
        super().__init__()
        self.strange, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in self.TAGS:
            self.strange.append(tag)
        for name, value in attrs:
            outside = name in ("src", "href") and not (value or "").startswith("data:image/")
            if name.startswith("on") or outside:
                self.strange.append(f"{tag} {name}={value}")

    def handle_data(self, data):
        self.text += data
