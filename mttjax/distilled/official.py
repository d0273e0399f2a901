"""The files of the published PyTorch code that hold a distilled set: what is in them.

| by | file | holds |
|:--|:--|:--|
| MTT, TESLA, FTD, ATT | ``images_best.pt``, ``ema_images_best.pt`` | images, normalised |
| the same | ``labels_best.pt`` | classes, or logits or probabilities |
| DATM, PAD, EDF | the same and ``lr_best.pt`` | logits; the rate |
| DC, DSA, DM, CAFE | ``res_METHOD_DATASET_NET_nipc.pt`` | pairs of normalised images and classes |
| IDC | ``data.pt`` | images in [0, 1], several in one, and classes |
"""

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.torch_reading import Tensor, open_torch

__all__ = ["Published", "class_major", "read_published", "read_rate"]

Log = Callable[[str], object]


class Published(NamedTuple):
    """What the files hold, in this project's layout."""

    images: np.ndarray
    """[N, H, W, C] float32."""
    labels: np.ndarray
    """[N, K] float32 probabilities."""
    in_pixels: bool
    """Whether the images are in [0, 1]; else they are normalised."""


def read_published(
    path: str | Path,
    labels_path: str | Path | None = None,
    *,
    classes: int,
    experiment: int | None = None,
    factor: int | None = None,
    log: Log = print,
) -> Published:
    """Images and labels of the published code's files.

    Args:
      path: the file of the images.
      labels_path: that of the labels, where ``path`` has none.
      classes: K.
      experiment: which one of a ``res_*.pt``, from 0; None: the last, as DC-BENCH takes it.
      factor: of IDC: an image holds factor² images, which are cut out and brought to its size.
      log: called with lines that say what was read.

    Raises:
      InputError: files of another kind, something missing that they do not say, or arrays that
        are no images and labels.
    """
    images, labels, in_pixels = _read(path, labels_path, classes, experiment, log)
    if len(images) != len(labels):
        raise InputError(f"{path}: {len(images)} images, and {len(labels)} labels")
    if not in_pixels:
        if factor is not None:
            raise InputError(f"{path}: not of IDC, which alone has a factor; leave it out")
        if images.min() >= 0 and images.max() <= 1:
            log(f"{path}: all numbers are in [0, 1], as of images that are not normalised")
        return Published(images, labels, False)
    if factor is None:
        raise InputError(
            f"{path}: of IDC, whose images hold factor² images each, which the file does not "
            "say: give the factor, 1 where each is one"
        )
    return Published(*class_major(*_cut_out(images, labels, factor)), True)


def read_rate(given: str) -> float:
    """α: a number as text, or the path of an ``lr_best.pt``.

    Raises:
      InputError: it is neither, or not one positive number.
    """
    try:
        rate = float(given)
    except ValueError:
        with open_torch(given) as tensor:
            if not isinstance(tensor, Tensor) or math.prod(tensor.shape) != 1:
                raise InputError(
                    f"{given}: the rate is one number, as in lr_best.pt; give that, or a number"
                ) from None
            rate = float(tensor.read().reshape(()))
    if not 0 < rate < math.inf:
        raise InputError(f"lr {given}: the rate is {rate}, it must be positive")
    return rate


def class_major(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels, those of class 0 first; within a class in their order."""
    order = np.argsort(labels.argmax(axis=1), kind="stable")
    return images[order], labels[order]


def _read(path, labels_path, classes, experiment, log):
    """(images [N, H, W, C], labels [N, K], whether in pixels) of the files."""
    with contextlib.ExitStack() as opened:
        held = opened.enter_context(open_torch(path))
        images, labels, in_pixels = _parts(path, held, experiment, log)
        place = path
        if labels is not None and labels_path is not None:
            raise InputError(f"{path}: it has labels of its own; leave the other labels out")
        if labels is None:
            if labels_path is None:
                raise InputError(f"{path}: images alone; give their labels, as labels_best.pt")
            place, labels = labels_path, opened.enter_context(open_torch(labels_path))
        return _images(path, images), _labels(place, labels, classes, log), in_pixels


def _parts(path: str | Path, held: Any, experiment: int | None, log: Log) -> tuple[Any, Any, bool]:
    """(images, labels or None, whether in pixels) of what a file holds."""
    if isinstance(held, Tensor):
        return held, None, False
    if isinstance(held, dict) and isinstance(sets := held.get("data"), list) and sets:
        chosen = len(sets) - 1 if experiment is None else experiment
        if not 0 <= chosen < len(sets):
            raise InputError(f"{path}: experiment {chosen} is not there, 0 to {len(sets) - 1}")
        log(f"{path}: experiment {chosen} of 0 to {len(sets) - 1}")
        if _is_pair(sets[chosen]):
            return *sets[chosen], False
    if _is_pair(held):
        return *held, True
    raise InputError(
        f"{path}: neither images (images_best.pt), nor experiments (res_*.pt), nor images with "
        "labels (data.pt); of a replay_buffer_*.pt take: mttjax convert import-experts"
    )


def _is_pair(held):
    pair = isinstance(held, list | tuple) and len(held) == 2
    return pair and all(isinstance(part, Tensor) for part in held)


def _images(path, tensor):
    """[N, H, W, C] float32."""
    if len(tensor.shape) != 4 or 0 in tensor.shape:
        raise InputError(f"{path}: images are [N, C, H, W], found {list(tensor.shape)}")
    images = np.ascontiguousarray(tensor.read().transpose(0, 2, 3, 1), np.float32)
    if not np.isfinite(images).all():
        raise InputError(f"{path}: its images are not finite: that run diverged; take another step")
    return images


def _labels(path, tensor, classes, log):
    """[N, K] float32 probabilities."""
    if not isinstance(tensor, Tensor):
        raise InputError(f"{path}: labels are one tensor, as in labels_best.pt")
    labels = tensor.read()
    if labels.ndim == 1 and labels.dtype.kind in "iu" and labels.size:
        if labels.min() < 0 or labels.max() >= classes:
            raise InputError(
                f"{path}: classes {labels.min()} to {labels.max()}, the data set has {classes}; "
                "is it another one?"
            )
        return np.eye(classes, dtype=np.float32)[labels]
    if labels.shape[1:] != (classes,) or labels.dtype.kind != "f":
        raise InputError(
            f"{path}: labels are [N] whole numbers or [N, {classes}] floating, found "
            f"{labels.dtype} {list(labels.shape)}; is the set of another data set?"
        )
    labels = labels.astype(np.float64)
    if not np.isfinite(labels).all():
        raise InputError(f"{path}: its labels are not finite")
    if labels.min(initial=0) >= 0 and np.abs(labels.sum(axis=1) - 1).max(initial=0) < 1e-3:
        log(f"{path}: labels are probabilities")
        return labels.astype(np.float32)
    log(f"{path}: labels are logits, of which the softmax is taken")
    powers = np.exp(labels - labels.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def _cut_out(images, labels, factor):
    """IDC's uniform multi-formation: factor² pieces of each image, each brought to its size."""
    n, side, _, channels = images.shape
    piece = -(-side // factor)
    pad = (0, factor - side % factor if side % factor else 0)
    images = np.pad(images, ((0, 0), pad, pad, (0, 0)), constant_values=0.5)
    cut = [
        images[:, i * piece : (i + 1) * piece, j * piece : (j + 1) * piece]
        for i in range(factor)
        for j in range(factor)
    ]
    shape = (n * factor**2, side, side, channels)
    whole = jax.image.resize(np.concatenate(cut), shape, "linear", antialias=False)
    return np.asarray(whole), np.tile(labels, (factor**2, 1))
