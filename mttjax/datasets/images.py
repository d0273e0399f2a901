"""Image files to arrays."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from mttjax.system.errors import InputError

__all__ = ["MOST_PIXELS", "SUFFIXES", "list_images", "read_images"]

MOST_PIXELS = 2**26
"""Of one image, by its header: 8192 x 8192. Pillow's own limit can be switched off by anybody."""

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

# Named, because Pillow would hand other formats to outside programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

_GREY = ("1", "L", "LA")


def list_images(folder: Path) -> list[Path]:
    """The image files right in ``folder``, by name; other files and hidden ones are no images.

    Links are followed, wherever they lead: the images are read and nothing is written.

    Raises:
      InputError: there is none.
    """
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not paths:
        raise InputError(f"{folder} has no image ({', '.join(SUFFIXES)}): an empty class")
    return paths


def read_images(paths: Sequence[Path], resolution: int) -> np.ndarray:
    """Reads images, each cut to its central square and resized.

    Args:
      paths: n image files.
      resolution: R, 4 to 1024.

    Returns:
      [n, R, R, 1] uint8 when every image is greyscale, else [n, R, R, 3]. Transparency
      and the orientation noted in a photograph are left aside.

    Raises:
      InputError: a file cannot be read, has 16 bits a channel, or is too large to be true.
    """
    mode = "L" if all(_mode(path) in _GREY for path in paths) else "RGB"
    channels = 1 if mode == "L" else 3
    images = np.empty((len(paths), resolution, resolution, channels), np.uint8)
    for image, path in zip(images, paths, strict=True):
        pixels = _read_image(path, resolution, mode)
        image[...] = pixels.reshape(resolution, resolution, channels)
    return images


def _mode(path: Path) -> str:
    with _opened(path) as image:
        return image.mode


def _read_image(path: Path, resolution: int, mode: str) -> np.ndarray:
    with _opened(path) as image:
        if image.mode.startswith(("I", "F")):
            raise InputError(f"{path} has {image.mode} pixels: convert it to 8 bits a channel")
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        # The box instead of resize-then-crop: a long thin image must not grow on the way.
        return np.asarray(
            image.convert(mode).resize(
                (resolution, resolution),
                Image.Resampling.BILINEAR,
                box=(left, top, left + side, top + side),
            )
        )


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image with only its header read, and its size believed and found good."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of harmless oddities; of a possible bomb it only warns as well.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
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
