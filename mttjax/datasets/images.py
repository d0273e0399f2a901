"""One image file: what its header says, and its pixels."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from mttjax.datasets.depth import to_eight_bits
from mttjax.datasets.names import Fit
from mttjax.system.errors import InputError

__all__ = ["MOST_PIXELS", "SUFFIXES", "Header", "read_header", "read_largest", "read_pixels"]

MOST_PIXELS = 2**26
"""Of one image, by its header: 8192 x 8192. Pillow's own limit can be switched off by anybody."""

SUFFIXES = (
    *(".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg"),
    *(".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)

# Named, because Pillow would hand other formats to outside programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_GREY = ("1", "L", "LA")
_DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION, _TURNED, _ON_THEIR_SIDE = 0x0112, range(2, 9), range(5, 9)
_BITS_PER_SAMPLE = 258


class Header(NamedTuple):
    """What is known of an image before its pixels are decoded."""

    size: tuple[int, int]
    """(width, height), turned as the photograph's orientation says."""
    grey: bool
    transparent: bool
    """Whether it can have transparent pixels."""
    kind: str
    """Its format, such as "JPEG"."""
    deep: bool = False
    """Whether it has 16 bits a pixel, all grey."""


def read_header(path: Path) -> Header:
    """Reads what is needed to refuse an image, and to know the shape of all of them.

    Raises:
      InputError: a file cannot be read, has colours of 16 bits a channel, or more than 16 bits, or
        is too large to be true.
    """
    with _opened(path) as image:
        deep = _is_deep(image)
        if deep and (image.mode not in _DEEP_GREY or _tiff_bits(image) > 16):
            raise InputError(
                f"{path} has more than 8 bits a channel ({image.mode}), which are read of grey "
                "images alone, up to 16: convert it to 8 bits, or give uint16 arrays in an .npz"
            )
        width, height = image.size
        size = (height, width) if _orientation(image) in _ON_THEIR_SIDE else (width, height)
        kind = image.format or ""
        transparent = not deep and _is_transparent(image)
        return Header(size, deep or image.mode in _GREY, transparent, kind, deep)


def read_largest(path: Path) -> int:
    """The largest value of an image of 16 bits.

    Raises:
      InputError: the file cannot be read, or has values that 16 bits do not hold.
    """
    with _opened(path) as image:
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"its values go from {pixels.min()} to {pixels.max()}")
        return int(pixels.max())


def read_pixels(
    path: Path, mode: str, resolution: int | None, fit: Fit, bits: int = 16
) -> np.ndarray:
    """Reads an image, [H, W, C] uint8, turned as it is to be seen and put on white.

    Args:
      path: the file.
      mode: "L" or "RGB".
      resolution: R of the square that it is brought to; None: its own size.
      fit: how.
      bits: of an image of 16 bits, how many are used: the largest value they hold is white.

    Raises:
      InputError: the file cannot be read.
    """
    with _opened(path) as image:
        seen: Image.Image = image
        if _is_deep(image):
            seen = Image.fromarray(to_eight_bits(np.asarray(image), bits))
            seen.getexif().update(image.getexif())
        if _orientation(image) in _TURNED:
            seen = ImageOps.exif_transpose(seen)
        if _is_transparent(seen):
            seen = seen.convert("RGBA")
            seen = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
        seen = seen.convert(mode)
        if resolution is None:
            pixels = np.asarray(seen)
        elif fit == "squash":
            pixels = _squashed(np.asarray(seen), resolution)
        else:
            pixels = np.asarray(_cropped(seen, resolution))
        return pixels.reshape(*pixels.shape[:2], -1)


def _cropped(image: Image.Image, resolution: int) -> Image.Image:
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    # The box instead of resize-then-crop: a long thin image must not grow on the way.
    box = (left, top, left + side, top + side)
    return image.resize((resolution, resolution), Image.Resampling.BILINEAR, box=box)


def _squashed(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """[h, w, ...] uint8 -> [R, R, ...], between the four nearest pixels, rounded."""
    out = pixels.astype(np.float32)
    for axis in (0, 1):
        n = out.shape[axis]
        at = np.clip((np.arange(resolution) + 0.5) * (n / resolution) - 0.5, 0, n - 1)
        low = np.floor(at).astype(int)
        shape = [1] * out.ndim
        shape[axis] = resolution
        share = (at - low).astype(np.float32).reshape(shape)
        above = out.take(np.minimum(low + 1, n - 1), axis)
        out = out.take(low, axis) * (1 - share) + above * share
    return np.rint(out).astype(np.uint8)


def _is_deep(image: Image.Image) -> bool:
    """Whether a channel has more than 8 bits; Pillow reads a coloured one's upper byte only."""
    if image.mode.startswith(("I", "F")) or _tiff_bits(image) > 8:
        return True
    for tile in getattr(image, "tile", ()):
        for how in tile[3] if isinstance(tile[3], tuple) else (tile[3],):
            if isinstance(how, str) and ";16" in how:
                return True
            if image.format == "PPM" and isinstance(how, int) and how > 255:
                return True
    return False


def _tiff_bits(image: Image.Image) -> int:
    """Bits a channel of a TIFF; 8 of other formats."""
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    return max(bits if isinstance(bits, tuple) else (bits,))


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _orientation(image: Image.Image) -> int:
    """As the photograph's Exif data have it; what is damaged there does no harm."""
    with suppress(Exception):
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image with only its header read, and its size believed and found good."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InputError(
                    f"{path} is too large an image: {image.width}x{image.height}, more than "
                    f"{MOST_PIXELS} pixels. Make it smaller"
                )
            yield image
    except InputError:
        raise
    # The decoders let out SyntaxError, struct.error and others besides OSError; Pillow, its limit.
    except Exception as error:
        raise InputError(f"cannot read the image {path}: {error}. Repair or remove it") from error
