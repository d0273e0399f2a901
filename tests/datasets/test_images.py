"""One image file: what is refused by its header, and which pixels it becomes."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from small import save_image

from mttjax.datasets.images import SUFFIXES, read_header, read_largest, read_pixels
from mttjax.system.errors import InputError

RNG = np.random.default_rng(0)


def deep_png(path, colour_type):
    """A PNG of 16 bits a channel, which Pillow cannot write."""

    def chunk(name, data):
        content = name + data
        return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))

    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    rows = (b"\0" + b"\x12\x34" * channels * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 16, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_coloured_images_of_16_bits_a_channel_are_refused(tmp_path, colour_type):
    deep_png(tmp_path / "x.png", colour_type)
    with pytest.raises(InputError, match=r"x.png has more than 8 bits a channel .*convert it"):
        read_header(tmp_path / "x.png")


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_grey_images_of_16_bits_are_scaled_to_8(tmp_path, ending):
    pixels = RNG.integers(0, 4096, (6, 8), np.uint16)
    path = tmp_path / f"x.{ending}"
    Image.fromarray(pixels).save(path)
    header = read_header(path)
    assert (header.deep, header.grey, header.size, header.transparent) == (
        True,
        True,
        (8, 6),
        False,
    )
    assert read_largest(path) == pixels.max()
    read = read_pixels(path, "RGB", None, "crop", 12)
    np.testing.assert_array_equal(read[..., 1], np.rint(pixels * (255 / 4095)))


def test_grey_images_of_32_bits_are_refused(tmp_path):
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(tmp_path / "x.tif")
    with pytest.raises(InputError, match="up to 16: convert it to 8 bits, or give uint16 arrays"):
        read_header(tmp_path / "x.tif")


@pytest.mark.parametrize("kind", ["ppm", "tif"])
def test_other_formats_of_16_bits_a_channel_are_refused(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "ppm":
        path.write_bytes(b"P6 2 2 65535\n" + bytes(24))
    else:  # little endian; 2 x 2 RGB, 16 bits each
        tags = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2)]
        tags += [(273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 2), (279, 4, 1, 24), (284, 3, 1, 1)]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
        path.write_bytes(head + struct.pack("<HHH", 16, 16, 16) + bytes(24))
    with pytest.raises(InputError, match="more than 8 bits a channel"):
        read_header(path)


@pytest.mark.parametrize(
    ("mode", "clear", "solid"),
    [("RGBA", (0, 0, 0, 0), (0, 0, 0, 255)), ("LA", (0, 0), (0, 255)), ("P", 0, 1)],
)
def test_a_shape_that_is_only_in_the_alpha_channel_is_seen_on_white(tmp_path, mode, clear, solid):
    image = Image.new(mode, (8, 8), clear)
    if mode == "P":
        image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(solid, (2, 2, 6, 6))
    how = {"transparency": b"\x00\xff"} if mode == "P" else {}
    image.save(tmp_path / "x.png", **how)
    assert read_header(tmp_path / "x.png").transparent
    pixels = read_pixels(tmp_path / "x.png", "L", None, "crop")
    assert (pixels[2:6, 2:6] == 0).all()
    assert pixels.sum() == (64 - 16) * 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_it_is_to_be_seen(tmp_path, orientation):
    seen = RNG.integers(0, 256, (6, 4, 3), np.uint8)
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation](seen)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    assert read_header(tmp_path / "x.png").size == (4, 6)
    np.testing.assert_array_equal(read_pixels(tmp_path / "x.png", "RGB", None, "crop"), seen)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_orientation_that_makes_no_sense_does_no_harm(tmp_path):
    save_image(tmp_path / "x.jpg", (1, 2, 3))
    data = (tmp_path / "x.jpg").read_bytes()
    broken = b"Exif\0\0MM\0*\xff\xff\xff\xff"
    marker = b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken
    (tmp_path / "x.jpg").write_bytes(data[:2] + marker + data[2:])
    assert read_header(tmp_path / "x.jpg").size == (8, 8)


def squashed_pixel(image, i, j, resolution):
    """Four neighbours, weighted by hand."""
    (h, w), out = image.shape, 0.0
    y, x = ((k + 0.5) * n / resolution - 0.5 for k, n in ((i, h), (j, w)))
    y, x = max(y, 0), max(x, 0)
    for row in (int(y), int(y) + 1):
        for column in (int(x), int(x) + 1):
            weight = max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
            out += weight * image[min(row, h - 1), min(column, w - 1)]
    return out


@pytest.mark.parametrize(("shape", "resolution"), [((30, 50), 8), ((5, 9), 12), ((8, 8), 8)])
def test_squashing_takes_four_neighbours_of_the_whole_image(tmp_path, shape, resolution):
    image = RNG.integers(0, 256, shape, np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    got = read_pixels(tmp_path / "x.png", "L", resolution, "squash")
    sides = range(resolution)
    expected = [
        [squashed_pixel(image.astype(float), i, j, resolution) for j in sides] for i in sides
    ]
    assert got.shape == (resolution, resolution, 1)
    np.testing.assert_allclose(got[..., 0], expected, atol=0.501)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPG"])
def test_other_endings_of_jpeg_are_read(tmp_path, suffix):
    Image.new("L", (8, 8), 77).save(tmp_path / "x", "JPEG")
    path = (tmp_path / "x").rename(tmp_path / f"x{suffix}")
    assert suffix.lower() in SUFFIXES
    assert read_pixels(path, "L", None, "crop")[0, 0, 0] == 77
