"""From normalised images to the pixels of a picture of them: three views."""

from typing import Any, Protocol

import numpy as np

from mttjax.system.errors import InputError

__all__ = ["Invertible", "channels_shown", "view"]


class Invertible(Protocol):
    """A preprocessing, as much as a picture needs of it."""

    def inverse(self, images: Any) -> Any:
        """[N, H, W, C] normalised -> pixels in [0, 1], not clipped."""


def channels_shown(channels: int) -> str:
    """Which channels of an image a picture shows, in words; empty where it shows all."""
    if channels in (1, 3):
        return ""
    which = "channel 1" if channels == 2 else "red, green, blue are channels 1, 2, 3"
    return f"{which} of {channels}"


def view(
    images: np.ndarray, *, clip: float | None = None, preprocessing: Invertible | None = None
) -> np.ndarray:
    """What of the images a picture shows.

    Args:
      images: [N, H, W, C]; uint8 are shown as they are, others must be finite. Of two channels the
        first is shown in grey, of more than three the first three as red, green and blue.
      clip: None, or how many standard deviations about the mean of all values to keep
        (the official code of MTT keeps 2.5).
      preprocessing: its ``inverse`` makes pixels of the images, clipped to [0, 1]. Without
        it the values are spread over the whole range, the least of all black.

    Returns:
      [N, H, W, 3] uint8.

    Raises:
      InputError: other shapes, values that are not finite, or both ``clip`` and
        ``preprocessing``.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0:
        raise InputError(f"a grid shows images [N, H, W, C], got {list(images.shape)}")
    if clip is not None and preprocessing is not None:
        raise InputError("a grid is clipped or shows pixels; give clip or preprocessing, not both")
    if images.dtype != np.uint8:
        if not np.isfinite(images).all():
            raise InputError("the images have values that are not finite; the run has diverged")
        shown = _pixels(images, preprocessing) if preprocessing else _spread(images, clip)
        images = np.rint(shown * 255).astype(np.uint8)
    images = images[..., :3] if images.shape[-1] >= 3 else images[..., :1]
    return np.repeat(images, 3 // images.shape[-1], axis=-1)


def _pixels(images, preprocessing):
    return np.clip(np.asarray(preprocessing.inverse(images)), 0, 1)


def _spread(images, clip):
    values = images.astype(np.float64)
    if clip is not None:
        mean, reach = values.mean(), clip * values.std()
        values = np.clip(values, mean - reach, mean + reach)
    values -= values.min()
    return values / (values.max() or 1)
