"""DSA: every operation against NumPy, the distributions of its parameters, its derivatives.

The references apply parameters that are recovered from the result itself: the images
carry a row ramp, a column ramp and a constant next to their random channels.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_equal
from scipy import ndimage, stats

from mttjax.core import augmentation
from mttjax.core.augmentation import OPERATIONS, dsa

ALL = ("color", "crop", "cutout", "flip", "scale", "rotate")
HEIGHT, WIDTH = 12, 9
ROW, COLUMN, ONE = 0, 1, 2
MANY = 4000

augment = jax.jit(dsa, static_argnames=("ops", "siamese"))


def ramps(count, dtype=np.float64):
    """[count, 12, 9, 3]: the row number, the column number, ones."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([rows, columns, np.ones_like(rows)], axis=-1)
    return np.broadcast_to(image, (count, *image.shape)).astype(dtype)


def marked_images(count=24):
    """Ramps and two random channels [count, 12, 9, 5]."""
    noise = np.random.default_rng(0).standard_normal((count, HEIGHT, WIDTH, 2))
    return np.concatenate([ramps(count), noise], axis=-1)


def augmented(op, images, seed=0):
    return np.asarray(augment(jax.random.key(seed), jnp.asarray(images), ops=(op,)))


def is_uniform(sample, low, high):
    """Not rejected, inside the bounds, and the bounds nearly reached."""
    width = high - low
    assert low <= sample.min() < low + 0.01 * width
    assert high - 0.01 * width < sample.max() <= high
    assert stats.kstest(sample, "uniform", (low, width)).pvalue > 1e-3


def are_uncorrelated(a, b):
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))


def are_uniform_counts(table):
    assert stats.chisquare(np.ravel(table)).pvalue > 1e-3


# --- recovering the parameters ------------------------------------------------------


def color_parameters(before, after):
    """Brightness, saturation and contrast from the image and channel means."""
    mean_before, mean_after = (x.mean(axis=(1, 2, 3), keepdims=True) for x in (before, after))
    grey_before, grey_after = (x.mean(axis=3, keepdims=True) for x in (before, after))

    def slope(a, b):
        return (a * b).sum(axis=(1, 2, 3)) / (a * a).sum(axis=(1, 2, 3))

    contrast = slope(grey_before - mean_before, grey_after - mean_after)
    product = slope(before - grey_before, after - grey_after)
    return (mean_after - mean_before).ravel(), product / contrast, contrast


def crop_parameters(after):
    """Shifts: what the middle pixel was taken from (the middle is never padding)."""
    middle = after[:, HEIGHT // 2, WIDTH // 2]
    shifts = middle[:, [ROW, COLUMN]] - [HEIGHT // 2, WIDTH // 2]
    np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-5)
    return np.round(shifts).astype(int).T


def cutout_parameters(after):
    """Row and column of the square's centre, from the side that is not clipped."""
    hole = after[..., ONE] == 0
    centers = []
    for lines, length in ((hole.any(axis=2), HEIGHT), (hole.any(axis=1), WIDTH)):
        size = int(0.5 * length + 0.5)
        first, count = lines.argmax(axis=1), lines.sum(axis=1)
        centers.append(np.where(first > 0, first, count - size) + size // 2)
    return np.stack(centers)


def center_slopes(after, channel):
    """Change of a ramp per row and per column, at the middle of the image."""
    i, j = HEIGHT // 2, WIDTH // 2
    x = after[..., channel]
    return x[:, i, j] - x[:, i - 1, j], x[:, i, j] - x[:, i, j - 1]


def scale_parameters(after):
    return center_slopes(after, COLUMN)[1], center_slopes(after, ROW)[0]


def rotate_parameters(after):
    """The angle in corner-aligned coordinates, where a side is 2 long."""
    _, cosine = center_slopes(after, COLUMN)
    _, sine = center_slopes(after, ROW)
    return np.arctan2(sine * (WIDTH - 1) / (HEIGHT - 1), cosine)


# --- the references -----------------------------------------------------------------


def grid_sample(image, theta):
    """torch's grid_sample(affine_grid(theta)), align_corners=True, zeros; [H, W, C]."""
    height, width, channels = image.shape
    ys, xs = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    x, y = (row[0] * xs + row[1] * ys + row[2] for row in theta)
    at = (y + 1) / 2 * (height - 1), (x + 1) / 2 * (width - 1)
    sample = [
        ndimage.map_coordinates(image[..., c], at, order=1, mode="grid-constant", cval=0)
        for c in range(channels)
    ]
    return np.stack(sample, axis=-1)


def color_reference(before, after):
    for x, b, s, c in zip(before, *color_parameters(before, after), strict=True):
        bright = x + b
        grey = bright.mean(axis=2, keepdims=True)
        saturated = grey + s * (bright - grey)
        yield saturated.mean() + c * (saturated - saturated.mean())


def crop_reference(before, after):
    for x, down, right in zip(before, *crop_parameters(after), strict=True):
        height, width, _ = x.shape
        shifted = np.zeros_like(x)
        for i in range(height):
            for j in range(width):
                if 0 <= i + down < height and 0 <= j + right < width:
                    shifted[i, j] = x[i + down, j + right]
        yield shifted


def cutout_reference(before, after):
    for x, row, column in zip(before, *cutout_parameters(after), strict=True):
        height, width, _ = x.shape
        tall, wide = int(0.5 * height + 0.5), int(0.5 * width + 0.5)
        holed = x.copy()
        for i in range(row - tall // 2, row - tall // 2 + tall):
            for j in range(column - wide // 2, column - wide // 2 + wide):
                if 0 <= i < height and 0 <= j < width:
                    holed[i, j] = 0
        yield holed


def flip_reference(before, after):
    for x, y in zip(before, after, strict=True):
        yield np.fliplr(x) if y[0, 0, COLUMN] > 0 else x


def scale_reference(before, after):
    for x, sx, sy in zip(before, *scale_parameters(after), strict=True):
        yield grid_sample(x, [[sx, 0, 0], [0, sy, 0]])


def rotate_reference(before, after):
    for x, angle in zip(before, rotate_parameters(after), strict=True):
        cosine, sine = np.cos(angle), np.sin(angle)
        yield grid_sample(x, [[cosine, -sine, 0], [sine, cosine, 0]])


REFERENCES = {
    "color": color_reference,
    "crop": crop_reference,
    "cutout": cutout_reference,
    "flip": flip_reference,
    "scale": scale_reference,
    "rotate": rotate_reference,
}


@pytest.mark.parametrize("op", ALL)
def test_operation_equals_its_numpy_reference(op, x64):
    before = marked_images()
    after = augmented(op, before)
    expected = np.stack(list(REFERENCES[op](before, after)))
    np.testing.assert_allclose(after, expected, atol=1e-10)
    assert not np.allclose(after, before, atol=1e-3)


# --- the distributions --------------------------------------------------------------


def test_color_draws_brightness_saturation_and_contrast_independently(x64):
    rng = np.random.default_rng(1)
    before = rng.standard_normal((MANY, 4, 4, 3))
    drawn = color_parameters(before, augmented("color", before))
    for sample, bounds in zip(drawn, [(-0.5, 0.5), (0.0, 2.0), (0.5, 1.5)], strict=True):
        is_uniform(sample, *bounds)
    for i in range(3):
        are_uncorrelated(drawn[i], drawn[i - 1])


def test_crop_shifts_by_integers_up_to_an_eighth_rows_and_columns_apart():
    rows, columns = crop_parameters(augmented("crop", ramps(MANY, np.float32)))
    assert set(rows) == {-2, -1, 0, 1, 2}  # ⌊.125·12 + .5⌋ = 2
    assert set(columns) == {-1, 0, 1}  # ⌊.125·9 + .5⌋ = 1
    are_uniform_counts(stats.contingency.crosstab(rows, columns).count)


def test_cutout_is_half_as_long_and_centred_anywhere():
    rows, columns = cutout_parameters(augmented("cutout", ramps(MANY, np.float32)))
    # The square of side 6 has its centre between rows, so 0..12; that of side 5 on a column.
    assert set(rows) == set(range(13))
    assert set(columns) == set(range(9))
    are_uniform_counts(stats.contingency.crosstab(rows, columns).count)


def test_flip_is_a_fair_coin():
    flipped = augmented("flip", ramps(MANY, np.float32))[:, 0, 0, COLUMN] > 0
    assert stats.binomtest(int(flipped.sum()), MANY, 0.5).pvalue > 1e-3


def test_scale_draws_both_axes_independently(x64):
    sx, sy = scale_parameters(augmented("scale", ramps(MANY)))
    is_uniform(sx, 1 / 1.2, 1.2)
    is_uniform(sy, 1 / 1.2, 1.2)
    are_uncorrelated(sx, sy)


def test_rotation_is_up_to_fifteen_degrees_both_ways(x64):
    is_uniform(np.degrees(rotate_parameters(augmented("rotate", ramps(MANY)))), -15, 15)


def test_one_operation_is_drawn_per_call_uniformly(monkeypatch):
    for i, op in enumerate(ALL):
        monkeypatch.setitem(OPERATIONS, op, lambda key, x, draws, i=i: x * 0 + i)
    keys = jax.random.split(jax.random.key(2), 1200)
    images = jnp.zeros((5, 2, 2, 1))
    drawn = jax.jit(jax.vmap(lambda key: dsa(key, images, ops=ALL)))(keys)
    drawn = np.asarray(drawn).reshape(1200, -1)
    assert (drawn == drawn[:, :1]).all()
    are_uniform_counts(np.bincount(drawn[:, 0].astype(int), minlength=6))


def test_a_card_selects_what_a_cpu_switches_to():
    images, key = jnp.asarray(marked_images(3), jnp.float32), jax.random.key(4)
    branches = [partial(OPERATIONS[op], draws=3) for op in ALL]
    forms = (augmentation._switched, augmentation._selected)

    def value_and_slope(form, which):
        augmented, pull_back = jax.vjp(lambda x: form(branches, which, key, x), images)
        return augmented, pull_back(augmented)[0]

    both = jax.jit(lambda which: [value_and_slope(form, which) for form in forms])
    for which in range(len(ALL)):
        assert_trees_all_equal(*both(which))


def test_a_card_does_not_wait_for_the_number_of_an_operation():
    def slope(key, images):
        return jax.grad(lambda x: jnp.sum(dsa(key, x, ops=ALL) ** 2))(images)

    traced = jax.jit(slope).trace(jax.random.key(0), jnp.ones((2, 4, 4, 3)))
    texts = (traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda"))
    cpu, card = (text.count("}, {") for text in texts)
    assert cpu - card == 2 * (len(ALL) - 1)  # the other branches of a switch and its transpose


def rolls(after):
    """[n, 2] by how far each image was moved round, rows and columns, told by its ramps."""
    corner = np.asarray(after)[:, 0, 0, :2].round().astype(int)
    return -corner % [HEIGHT, WIDTH]


def test_rolled_images_come_back_on_the_other_side_any_pixel_as_often(x64):
    before = marked_images(MANY)
    after = augmented("roll", before)
    shifts = rolls(after)
    expected = [np.roll(x, shift, axis=(0, 1)) for x, shift in zip(before, shifts, strict=True)]
    np.testing.assert_allclose(after, expected, atol=1e-12)
    counts = np.zeros((HEIGHT, WIDTH))
    np.add.at(counts, tuple(shifts.T), 1)
    are_uniform_counts(counts)


def test_roll_comes_before_the_one_operation_that_is_drawn(x64):
    before = jnp.asarray(marked_images(20))
    flipped, alike = (
        augment(jax.random.key(3), before, ops=o) for o in (("roll", "flip"), ("roll",))
    )
    as_it_is, mirrored = (
        np.all(np.isclose(flipped, x), axis=(1, 2, 3)) for x in (alike, alike[:, :, ::-1])
    )
    assert (as_it_is | mirrored).all()
    assert 3 < mirrored.sum() < 17


# --- siamese ----------------------------------------------------------------------


def test_siamese_augments_all_images_and_batches_of_any_size_alike(x64):
    images = jnp.asarray(marked_images(1).repeat(5, axis=0))
    drawn = set()
    for seed in range(40):
        five, two = (
            np.asarray(augment(jax.random.key(seed), x, ops=ALL, siamese=True))
            for x in (images, images[:2])
        )
        np.testing.assert_allclose(five, five[:1].repeat(5, axis=0), atol=1e-12)
        np.testing.assert_allclose(five[:2], two, atol=1e-12)
        drawn.add(two.tobytes())
    assert len(drawn) > 25
    rolled = augment(jax.random.key(0), images, ops=("roll",), siamese=True)
    np.testing.assert_array_equal(rolls(rolled), rolls(rolled)[:1].repeat(5, axis=0))


# --- as part of a differentiated program ----------------------------------------------


@pytest.mark.parametrize("op", [*ALL, "roll"])
def test_derivatives_agree_with_finite_differences(op, x64):
    rng = np.random.default_rng(4)
    images, direction, step = *rng.standard_normal((2, 2, 5, 6, 3)), 1e-5

    def energy(x):
        each, alike = (dsa(jax.random.key(5), x, ops=(op,), siamese=s) for s in (False, True))
        return jnp.sum(jnp.sin(each) + jnp.cos(2 * alike))

    @jax.jit
    def derivatives(x):
        return jax.jvp(jax.value_and_grad(energy), (x,), (jnp.asarray(direction),))

    (_, gradient), (slope, curvature) = derivatives(images)
    (high, gradient_high), _ = derivatives(images + step * direction)
    (low, gradient_low), _ = derivatives(images - step * direction)
    np.testing.assert_allclose(slope, (high - low) / (2 * step), rtol=1e-6)
    np.testing.assert_allclose(slope, np.vdot(gradient, direction), rtol=1e-10)
    differences = (gradient_high - gradient_low) / (2 * step)
    np.testing.assert_allclose(curvature, differences, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("op", ["color", "crop", "scale", "rotate"])
def test_bfloat16_does_what_float32_does_roughly(op):
    """32 × 32 pixels: more than bfloat16 can number."""
    edge = jnp.ones((2, 32, 32, 1), jnp.bfloat16).at[:, 16:].set(2)
    after = augment(jax.random.key(10), edge, ops=(op,))
    assert (after.dtype, after.shape) == (edge.dtype, edge.shape)
    assert np.isfinite(after).all()
    if op in ("scale", "rotate"):
        after = np.asarray(after, np.float32)
        np.testing.assert_allclose(after[:, 8:11, 12:20], 1, atol=0.05)
        np.testing.assert_allclose(after[:, 21:24, 12:20], 2, atol=0.05)


@pytest.mark.parametrize("op", ["scale", "rotate"])
def test_images_of_one_row_stay_finite(op):
    after = augment(jax.random.key(11), jnp.ones((2, 1, 7, 3)), ops=(op,))
    assert after.shape == (2, 1, 7, 3)
    assert np.isfinite(after).all()


def test_no_operations_leave_the_images_alone():
    images = jnp.asarray(marked_images(2), jnp.float32)
    np.testing.assert_array_equal(dsa(jax.random.key(0), images, ops=()), images)


@pytest.mark.parametrize(
    ("ops", "shape", "message"),
    [
        (("color", "blur"), (1, 4, 4, 1), r"color crop cutout flip scale rotate.*\['blur'\]"),
        ("flip", (1, 4, 4, 1), "tuple of names.*'f'"),
        ("", (1, 4, 4, 1), "tuple of names.*''"),
        (("flip",), (4, 4, 1), r"\[B, H, W, C\], got shape \(4, 4, 1\)"),
    ],
)
def test_unknown_operations_and_wrong_ranks_are_refused(ops, shape, message):
    with pytest.raises(ValueError, match=message):
        dsa(jax.random.key(0), jnp.zeros(shape), ops=ops)
