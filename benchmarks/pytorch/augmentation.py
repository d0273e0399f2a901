"""DSA for a whole batch at once: one operation per call, parameters per image.

The six operations are those of ``mttjax.core.augmentation``. Drawing and applying are apart,
so that the draws of JAX can be applied too.
"""

import torch
import torch.nn.functional as F

from benchmarks.pytorch.drawing import crop_reach, cutout_size, draw

__all__ = ["OPERATIONS", "apply_operation", "dsa"]


def dsa(generators, images, ops):
    """Augments [B, C, H, W] by one operation out of ``ops``; empty: as they are."""
    if not ops:
        return images
    op = generators.host.choice(ops)
    batch, _, height, width = images.shape
    drawn = draw(generators.device, op, batch, height, width)
    return apply_operation(op, images, drawn)


def apply_operation(op, images, parameters):
    """Images [B, C, H, W] after one operation with the parameters that ``draw`` returns."""
    return OPERATIONS[op](images, **parameters)


def _color(x, brightness, saturation, contrast):
    brightness, saturation, contrast = (
        p.to(x.dtype).view(-1, 1, 1, 1) for p in (brightness, saturation, contrast)
    )
    x = x + brightness
    x = torch.lerp(x.mean(1, keepdim=True), x, saturation)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast)


def _crop(x, rows, columns):
    # One gather from the padded images: of indexing, grid_sample and this, the fastest.
    batch, channels, height, width = x.shape
    down, right = crop_reach(height), crop_reach(width)
    padded = F.pad(x, (right, right, down, down))
    at_row = torch.arange(down, down + height, device=x.device) + rows[:, None]
    at_column = torch.arange(right, right + width, device=x.device) + columns[:, None]
    at = at_row[:, :, None] * padded.shape[3] + at_column[:, None]
    at = at.view(batch, 1, -1).expand(-1, channels, -1)
    return padded.flatten(2).gather(2, at).view(x.shape)


def _cutout(x, first_row, first_column):
    def inside(first, side):
        at = torch.arange(side, device=x.device) - first[:, None]
        return (at >= 0) & (at < cutout_size(side))

    height, width = x.shape[2:]
    hole = inside(first_row, height)[:, :, None] & inside(first_column, width)[:, None]
    return x.masked_fill(hole[:, None], 0)


def _flip(x, flipped):
    return torch.where(flipped.view(-1, 1, 1, 1), x.flip(3), x)


def _scale(x, rows, columns):
    zero = torch.zeros_like(rows)
    return _affine(x, (columns, zero, zero, rows))


def _rotate(x, degrees):
    angle = torch.deg2rad(degrees)
    sine, cosine = angle.sin(), angle.cos()
    return _affine(x, (cosine, -sine, sine, cosine))


def _affine(x, matrix):
    """Samples x at a 2×2 matrix of [B] times each (column, row) in -1 to 1; zero outside."""
    matrix = torch.stack(matrix, 1).view(-1, 2, 2).to(x.dtype)
    grid = F.affine_grid(F.pad(matrix, (0, 1)), x.shape, align_corners=True)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


OPERATIONS = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}
