"""Images as a page shows them: each a picture of its own pixels, by class."""

import base64
import io
from collections.abc import Mapping

import numpy as np

from mttjax.reporting.blocks import Images, ImagesOfClass
from mttjax.reporting.grids import Drawable
from mttjax.reporting.views import channels_shown, view

__all__ = ["images_of"]

_MOST, _MOST_PIXELS, _MOST_CLASSES = 400, 2**20, 200
"""Images and pixels of one block, beyond which each class shows fewer, and classes."""
_LARGE, _SMALL = 96, 64
"""How high an image is at most on the screen, where there is one per class and where more."""


def images_of(
    distilled: Drawable,
    caption: str,
    *,
    most: int = 10,
    real: Mapping[int, np.ndarray] | None = None,
    clip: float | None = None,
    as_pixels: bool = True,
    made: str = "distilled",
) -> Images:
    """The first images of every class of a set.

    Args:
      distilled: a ``DistilledSet``.
      caption: what is seen; how many are left out is added.
      most: images per class; fewer where they are large or the classes many.
      real: class -> a real image of it, [H, W, C] uint8, which stands beside.
      clip: as ``view``.
      as_pixels: undo the preprocessing; else the values are spread from black to white.
      made: what the images are, beside the real ones.
    """
    classes = np.asarray(distilled.classes)
    known = np.unique(classes)
    members = {int(k): np.flatnonzero(classes == k) for k in known[:_MOST_CLASSES]}
    height, width = distilled.images.shape[1:3]
    longest = max(map(len, members.values()))
    room = min(_MOST, _MOST_PIXELS // (height * width)) // len(members)
    shown = max(1, min(most, longest, room))
    taken = {k: of_class[:shown] for k, of_class in members.items()}
    # The whole set is viewed: how values are spread follows from all of them.
    preprocessing = distilled.preprocessing if as_pixels else None
    pixels = view(distilled.images, clip=clip, preprocessing=preprocessing)
    if shown < longest:
        caption += f" {shown} of {longest} images of each class."
    if len(members) < len(known):
        caption += f" {len(members)} of {len(known)} classes."
    if note := channels_shown(distilled.images.shape[3]):
        caption += f" {note[0].upper()}{note[1:]}."
    scale = max(1, (_LARGE if shown == 1 else _SMALL) // height)
    return Images(
        caption,
        [
            ImagesOfClass(
                str(distilled.class_names[k]),
                _address(view(real[k][None])[0]) if real and k in real else "",
                [_address(pixels[i]) for i in indices],
            )
            for k, indices in taken.items()
        ],
        width * scale,
        height * scale,
        made,
    )


def _address(pixels):
    """A ``data:`` address of [H, W, 3] uint8, which holds the picture."""
    from PIL import Image

    grey = (pixels == pixels[..., :1]).all()
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
