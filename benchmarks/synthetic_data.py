"""Random images and labels of the shapes that are timed; NumPy alone, the same on both sides."""

import numpy as np

__all__ = ["DSA", "LR", "distilled", "real"]

DSA = ("color", "crop", "cutout", "flip", "scale", "rotate")
LR = 0.01


def real(net, n, seed):
    """(images [n, H, W, C] uint8, labels [n] int32)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, *net.image), np.uint8)
    return images, rng.integers(0, net.classes, n).astype(np.int32)


def distilled(net, ipc):
    """(images [N, H, W, C], labels [N, K]), both float32, class by class."""
    labels = np.repeat(np.eye(net.classes, dtype=np.float32), ipc, axis=0)
    images = np.random.default_rng(0).standard_normal((len(labels), *net.image), np.float32)
    return images, labels
