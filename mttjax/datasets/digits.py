"""The 8×8 digits that come with scikit-learn."""

import numpy as np

from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.splits import split_off, take
from mttjax.system.errors import InputError

__all__ = ["read_digits"]

_TEST_FRACTION = 0.25


def read_digits() -> Source:
    """Reads the 1,797 digits, [n, 8, 8, 1] uint8, with a test split that never changes.

    Raises:
      InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("digits come with scikit-learn: pip install scikit-learn") from error
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    everything = Split(images, bunch.target.astype(np.int32))
    # Seeded by a constant: figures from different seeds must share their test set.
    train, test = split_off(everything.labels, _TEST_FRACTION, np.random.default_rng(0))
    names = tuple(str(k) for k in range(10))
    return Source(names, take(everything, train), take(everything, test))
