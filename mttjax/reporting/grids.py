"""Grids of images as PNGs, every pixel of an image a square of equal pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mttjax.reporting.views import Invertible, channels_shown, view
from mttjax.system.errors import InputError
from mttjax.system.files import atomically

__all__ = ["grid_of", "save_grid", "save_views"]

_WIDTH, _HEIGHT, _AREA = 1800, 4800, 30e6
"""In pixels. Beyond width and height images are scaled up less, beyond width and area left out."""
_GAP, _MARGIN = 2, 12
_INK = (70, 74, 82)


class _Layout(NamedTuple):
    """Where everything goes, in pixels."""

    size: tuple[int, int]
    """Height and width."""
    scale: int
    images: list
    """(index, top, left)"""
    texts: list
    """(text, anchor point (x, y), Pillow's anchor, width it may take)"""
    font_size: int


class Drawable(Protocol):
    """What pictures need of a ``DistilledSet``."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def classes(self) -> np.ndarray: ...

    @property
    def class_names(self) -> Sequence[str]: ...

    @property
    def preprocessing(self) -> Any: ...


def save_grid(
    path: str | Path,
    images: np.ndarray,
    classes: ArrayLike,
    class_names: Sequence[str],
    *,
    clip: float | None = None,
    preprocessing: Invertible | None = None,
    scale: int | None = None,
) -> Path:
    """Draws images class by class: a row for each, or a name under each of one per class.

    Images are scaled up by a whole number without smoothing. Where the rows would be wider than
    1800 pixels, or the grid very large, the last images of every class are left out, and the
    foot of the grid says so.

    Args:
      path: the PNG, written atomically.
      images: [N, H, W, C]. uint8 are shown as they are, floats are spread from black to white
        unless one of the next arguments says otherwise. Of 2 or more than 3 channels some are
        shown, see ``view``, and the foot says which.
      classes: [N] integers in 0..K-1.
      class_names: K names.
      clip: clip to this many standard deviations about the mean before spreading.
      preprocessing: show pixels, through its ``inverse``.
      scale: how many pixels a side of an image's pixel takes; None to choose.

    Returns:
      ``path``.

    Raises:
      InputError: images that ``clip`` or ``preprocessing`` cannot show, classes that do not
        fit the images or the names, or a scale below 1.
    """
    pixels = view(images, clip=clip, preprocessing=preprocessing)
    groups = _groups(np.asarray(classes), class_names, len(pixels))
    if scale is not None and scale < 1:
        raise InputError(f"the scale of a grid is at least 1, got {scale}")
    picture = _paint(pixels, _arranged(groups, np.shape(images)[1:], scale))
    with atomically(path) as file:
        picture.save(file, format="PNG")
    return Path(path)


def grid_of(distilled: Drawable) -> np.ndarray:
    """The grid of a set's pixels, [height, width, 3] uint8."""
    pixels = view(distilled.images, preprocessing=distilled.preprocessing)
    groups = _groups(np.asarray(distilled.classes), distilled.class_names, len(pixels))
    return np.asarray(_paint(pixels, _arranged(groups, distilled.images.shape[1:], None)))


def save_views(folder: str | Path, stem: str, distilled: Drawable) -> list[Path]:
    """Writes the three views of a distilled set as grids.

    Args:
      folder: where to.
      stem: how the file names begin.
      distilled: a ``DistilledSet``.

    Returns:
      The paths of ``<stem>_raw.png``, the values as they are; ``<stem>_clipped.png``, clipped
      at 2.5 standard deviations as the official code does; and ``<stem>_pixels.png``.
    """
    pixels = {"preprocessing": distilled.preprocessing}
    views: dict[str, dict[str, Any]] = {"raw": {}, "clipped": {"clip": 2.5}, "pixels": pixels}
    paths = [Path(folder) / f"{stem}_{name}.png" for name in views]
    for path, how in zip(paths, views.values(), strict=True):
        save_grid(path, distilled.images, distilled.classes, distilled.class_names, **how)
    return paths


def _groups(classes, class_names, count):
    """(name, indices of its images) for every class that has images."""
    if classes.shape != (count,) or not np.issubdtype(classes.dtype, np.integer):
        raise InputError(
            f"a grid of {count} images needs {count} integer classes, "
            f"got {classes.dtype} {list(classes.shape)}"
        )
    if classes.min() < 0 or classes.max() >= len(class_names):
        raise InputError(
            f"classes go from {classes.min()} to {classes.max()} "
            f"and there are {len(class_names)} class names"
        )
    return [(class_names[k], np.flatnonzero(classes == k)) for k in np.unique(classes)]


def _fitting_scale(height, width, lines, columns, largest):
    """The largest whole scale that keeps an image's side and the whole grid in bounds."""
    width_limit = _WIDTH // columns - _GAP
    return max(
        1, min(largest // max(height, width), width_limit // width, _HEIGHT // lines // height)
    )


def _arranged(groups, shape, scale):
    arrange = _compact if all(len(members) == 1 for _, members in groups) else _rows
    layout = arrange(groups, shape[:2], scale)
    if not (note := channels_shown(shape[2])):
        return layout
    height, width = layout.size
    foot = (note, (_MARGIN, height), "lt", width - 2 * _MARGIN)
    return layout._replace(size=(height + 14 + _MARGIN, width), texts=[*layout.texts, foot])


def _rows(groups, shape, scale):
    height, width = shape
    longest = max(len(members) for _, members in groups)
    scale = scale or _fitting_scale(height, width, len(groups), longest, 90)
    height, width = height * scale + _GAP, width * scale + _GAP
    font_size = int(np.clip(height // 4, 11, 15))
    font = _font(font_size)
    names_width = min(160, max(int(font.getlength(_line(name))) + 1 for name, _ in groups))
    line = max(height, 14)
    widest = min(_WIDTH, int(_AREA / (line * len(groups))))
    columns = max(1, min(longest, widest // width))
    left = _MARGIN + names_width + 10
    images, texts = [], []
    for row, (name, members) in enumerate(groups):
        top = _MARGIN + row * line
        texts.append((name, (left - 10, top + line // 2), "rm", names_width))
        images += [(m, top, left + column * width) for column, m in enumerate(members[:columns])]
    bottom = 2 * _MARGIN + line * len(groups)
    right = left + columns * width + _MARGIN
    if columns < longest:
        note = f"{columns} of {longest} images of each class"
        texts.append((note, (left, bottom), "lt", right - left))
        bottom += 14 + _MARGIN
    return _Layout((bottom, right), scale, images, texts, font_size)


def _compact(groups, shape, scale):
    height, width = shape
    columns = 5 if len(groups) <= 25 else 10 if len(groups) <= 100 else 20
    columns = max(1, min(len(groups), columns, _WIDTH // (width * (scale or 1) + 8)))
    lines = -(-len(groups) // columns)
    scale = scale or _fitting_scale(height, width, lines, columns, 128)
    height, width = height * scale, width * scale
    font_size = int(np.clip(width // 8, 11, 15))
    cell_width, line = max(width, 72) + 8, height + font_size + 14
    images, texts = [], []
    for position, (name, members) in enumerate(groups):
        row, column = divmod(position, columns)
        top, left = _MARGIN + row * line, _MARGIN + column * cell_width
        images.append((members[0], top, left + (cell_width - width) // 2))
        texts.append((name, (left + cell_width // 2, top + height + 2), "ma", cell_width - 4))
    size = (2 * _MARGIN + lines * line - 8, 2 * _MARGIN + columns * cell_width)
    return _Layout(size, scale, images, texts, font_size)


def _paint(pixels, layout):
    from PIL import Image, ImageDraw

    canvas = np.full((*layout.size, 3), 255, np.uint8)
    for index, top, left in layout.images:
        big = pixels[index].repeat(layout.scale, axis=0).repeat(layout.scale, axis=1)
        canvas[top : top + len(big), left : left + big.shape[1]] = big
    picture = Image.fromarray(canvas)
    draw, font = ImageDraw.Draw(picture), _font(layout.font_size)
    for text, point, anchor, width in layout.texts:
        draw.text(point, _shortened(text, font, width), _INK, font, anchor)
    return picture


def _font(size):
    # matplotlib brings a font with far more letters than the one inside Pillow.
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _line(text):
    """Text as one line that a font can draw, no longer than could ever fit."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:100]


def _shortened(text, font, width):
    """The text, cut where it would be wider than ``width``."""
    text = _line(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
