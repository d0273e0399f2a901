"""Differentiable siamese augmentation (DSA; Zhao & Bilen, ICML 2021).

One operation is drawn per call for the whole batch; its parameters are drawn per
image, or once for all images in the siamese form. Everything is linear or affine in
the images, so it may stand inside a differentiated loss. "Zero" is zero in normalised
space.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["OPERATIONS", "crop_and_flip", "dsa"]

BRIGHTNESS = 0.5
SATURATION = 2.0
CONTRAST = 0.5
CROP = 0.125
CUTOUT = 0.5
SCALE = 1.2
ROTATE = 15.0

ROLL = "roll"


def dsa(
    key: jax.Array, images: jax.Array, *, ops: tuple[str, ...], siamese: bool = False
) -> jax.Array:
    """Augments a batch by one operation out of ``ops``, drawn uniformly.

    Args:
      key: a JAX random key.
      images: [B, H, W, C] floating, in normalised space.
      ops: a tuple of names out of ``color crop cutout flip scale rotate``; a static
        value under ``jit``. Empty: the images come back as they are. ``roll`` too: then every
        image is first moved round by any number of pixels, what leaves it on one side coming back
        on the other.
      siamese: one set of parameters for all images, so that calls with one key augment
        batches of any sizes alike.

    Returns:
      [B, H, W, C] of the same dtype.

    Raises:
      ValueError: an unknown operation, or images that are not [B, H, W, C].
    """
    unknown = [op for op in ops if op not in OPERATIONS]
    if unknown or isinstance(ops, str):
        raise ValueError(
            f"ops is a tuple of names out of {' '.join(OPERATIONS)}, got {unknown or ops!r}"
        )
    if images.ndim != 4:
        raise ValueError(f"dsa needs images [B, H, W, C], got shape {images.shape}")
    draws = 1 if siamese else images.shape[0]
    if ROLL in ops:
        roll_key, key = jax.random.split(key)
        images = OPERATIONS[ROLL](roll_key, images, draws=draws)
        ops = tuple(op for op in ops if op != ROLL)
    if not ops:
        return images
    which_key, key = jax.random.split(key)
    branches = [partial(OPERATIONS[op], draws=draws) for op in ops]
    if len(branches) == 1:
        return branches[0](key, images)
    return _one_of(jax.random.randint(which_key, (), 0, len(ops)), branches, key, images)


def _one_of(which, branches, key, images):
    """A CPU computes what was drawn; an accelerator everything, and takes what was drawn.

    In a device's loop a switch waits for the host, which reads the number; the operations of
    these small images cost less than that.
    """
    return lax.platform_dependent(
        which, key, images, cpu=partial(_switched, branches), default=partial(_selected, branches)
    )


def _switched(branches, which, key, images):
    return lax.switch(which, branches, key, images)


def _selected(branches, which, key, images):
    return lax.select_n(which, *(branch(key, images) for branch in branches))


def crop_and_flip(key: jax.Array, images: jax.Array, *, pad: int = 4) -> jax.Array:
    """Shifts every image by up to ``pad`` pixels, its border reflected, and flips every second one.

    The usual augmentation of small photographs, which DD (Wang et al., 2018) trains on.

    Args:
      key: a JAX random key.
      images: [B, H, W, C], H and W above ``pad``.
      pad: pixels.

    Returns:
      [B, H, W, C] of the same dtype.
    """
    crop_key, flip_key = jax.random.split(key)
    around = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    corners = jax.random.randint(crop_key, (len(images), 2), 0, 2 * pad + 1)
    at = lambda image, corner: lax.dynamic_slice(image, (*corner, 0), images.shape[1:])
    return _flip(flip_key, jax.vmap(at)(jnp.pad(images, around, "reflect"), corners), len(images))


def _uniform(key, draws, low, high, dtype):
    """[draws, 1, 1, 1], to be broadcast over images."""
    return jax.random.uniform(key, (draws, 1, 1, 1), dtype, low, high)


def _about(center, factor, x):
    return (x - center) * factor + center


def _color(key, x, draws):
    brightness, saturation, contrast = jax.random.split(key, 3)
    x = x + _uniform(brightness, draws, -BRIGHTNESS, BRIGHTNESS, x.dtype)
    factor = _uniform(saturation, draws, 0.0, SATURATION, x.dtype)
    x = _about(jnp.mean(x, axis=3, keepdims=True), factor, x)
    factor = _uniform(contrast, draws, 1.0 - CONTRAST, 1.0 + CONTRAST, x.dtype)
    return _about(jnp.mean(x, axis=(1, 2, 3), keepdims=True), factor, x)


def _crop(key, x, draws):
    def shifts(key, side):
        most = math.floor(CROP * side + 0.5)
        shift = jax.random.randint(key, (draws, 1), -most, most + 1)
        return (jnp.arange(side)[None] + shift).astype(x.dtype)

    rows, columns = jax.random.split(key)
    return _resample(x, shifts(rows, x.shape[1]), shifts(columns, x.shape[2]))


def _roll(key, x, draws):
    def positions(key, side):
        shift = jax.random.randint(key, (draws, 1), 0, side)
        return ((jnp.arange(side)[None] + shift) % side).astype(x.dtype)

    rows, columns = jax.random.split(key)
    return _resample(x, positions(rows, x.shape[1]), positions(columns, x.shape[2]))


def _cutout(key, x, draws):
    def inside(key, side):
        size = math.floor(CUTOUT * side + 0.5)
        # An even square has its centre between pixels: one more position.
        first = jax.random.randint(key, (draws, 1), 0, side + 1 - size % 2) - size // 2
        at = jnp.arange(side)[None]
        return (at >= first) & (at < first + size)

    rows, columns = jax.random.split(key)
    hole = inside(rows, x.shape[1])[:, :, None] & inside(columns, x.shape[2])[:, None, :]
    return jnp.where(hole[..., None], jnp.zeros((), x.dtype), x)


def _flip(key, x, draws):
    flipped = jax.random.bernoulli(key, 0.5, (draws, 1, 1, 1))
    return jnp.where(flipped, x[:, :, ::-1], x)


def _scale(key, x, draws):
    def positions(key, side):
        factor = jax.random.uniform(key, (draws, 1), x.dtype, 1 / SCALE, SCALE)
        center = (side - 1) / 2
        return (jnp.arange(side, dtype=x.dtype)[None] - center) * factor + center

    columns, rows = jax.random.split(key)
    return _resample(x, positions(rows, x.shape[1]), positions(columns, x.shape[2]))


def _resample(x, rows, columns):
    """Bilinear samples at rows [b, H] × columns [b, W] of x [B, H, W, C], zero outside.

    Separable: two small matrix products, which have cheap transposes; b is B or 1.
    """

    def weights(at, side):
        grid = jnp.arange(side, dtype=x.dtype)[None, None]
        return jnp.maximum(0, 1 - jnp.abs(at[:, :, None] - grid))

    batch, height, width, _ = x.shape
    rows, columns = weights(rows, height), weights(columns, width)
    spread = lambda w: jnp.broadcast_to(w, (batch, *w.shape[1:]))
    contract = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    x = contract("bih,bhwc->biwc", spread(rows), x)
    return contract("bjw,biwc->bijc", spread(columns), x)


def _rotate(key, x, draws):
    batch, height, width, channels = x.shape
    angle = jax.random.uniform(key, (draws, 1, 1), x.dtype, -ROTATE, ROTATE) * (math.pi / 180)
    # Coordinates from -1 to 1 across the corners, as the published code rotates them: a
    # rotation in these coordinates, not in pixels, where the image is not square.
    ys = jnp.linspace(-1, 1, height, dtype=x.dtype)[None, :, None]
    xs = jnp.linspace(-1, 1, width, dtype=x.dtype)[None, None, :]
    column = (jnp.cos(angle) * xs - jnp.sin(angle) * ys + 1) * ((width - 1) / 2)
    row = (jnp.sin(angle) * xs + jnp.cos(angle) * ys + 1) * ((height - 1) / 2)
    row, column = (jnp.broadcast_to(a, (batch, height, width)) for a in (row, column))
    flat = x.reshape(batch, height * width, channels)
    total = jnp.zeros_like(flat)
    for i in (jnp.floor(row), jnp.floor(row) + 1):
        for j in (jnp.floor(column), jnp.floor(column) + 1):
            weight = (1 - jnp.abs(row - i)) * (1 - jnp.abs(column - j))
            inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            weight = jnp.where(inside, weight, 0)
            # In integers: a short float cannot number the pixels.
            at_row, at_column = (
                jnp.clip(a, 0, side - 1).astype(jnp.int32) for a, side in ((i, height), (j, width))
            )
            corner = (at_row * width + at_column).reshape(batch, -1, 1)
            total += weight.reshape(batch, -1, 1) * jnp.take_along_axis(flat, corner, axis=1)
    return total.reshape(x.shape)


# Traced once for both forms.
OPERATIONS = {
    name: jax.jit(operation, static_argnames="draws")
    for name, operation in {
        "color": _color,
        "crop": _crop,
        "cutout": _cutout,
        "flip": _flip,
        "scale": _scale,
        "rotate": _rotate,
        ROLL: _roll,
    }.items()
}
