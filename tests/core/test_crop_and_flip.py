"""The usual augmentation of photographs, against every place that it could show."""

import itertools
from collections import Counter

import jax
import numpy as np

from mttjax.core.augmentation import crop_and_flip


def test_crop_and_flip_shows_every_image_shifted_within_its_reflection():
    images = jax.random.normal(jax.random.key(0), (200, 9, 9, 3))
    out = np.asarray(crop_and_flip(jax.random.key(1), images, pad=2))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    places = Counter()
    for image, around in zip(out, padded, strict=True):
        shown = [
            (row, column, flipped)
            for row, column in itertools.product(range(5), range(5))
            for flipped in (False, True)
            if np.array_equal(
                image[:, ::-1] if flipped else image, around[row : row + 9, column : column + 9]
            )
        ]
        assert len(shown) == 1
        places.update(shown)
    rows, columns, flips = ([place[i] for place in places.elements()] for i in range(3))
    assert set(rows) == set(columns) == set(range(5))
    assert 70 < sum(flips) < 130
