"""Grids of images: layout, exact pixels, views."""

import numpy as np
import pytest
from PIL import Image
from small import small_set

from mttjax.core.preprocessing import fit_preprocessing
from mttjax.reporting import save_grid, save_views
from mttjax.system.errors import InputError

RNG = np.random.default_rng(0)


def random_images(count, side=8, channels=3):
    return RNG.integers(0, 256, (count, side, side, channels), np.uint8)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def find(canvas, image, scale):
    """The one place (top, left) where an image stands in a grid, every pixel a square."""
    big = np.repeat(np.repeat(image, scale, 0), scale, 1)
    big = np.broadcast_to(big, (*big.shape[:2], 3))
    height, width, _ = big.shape
    corners = np.argwhere((canvas == big[:1, :1]).all(axis=-1))
    places = [
        (y, x) for y, x in corners if np.array_equal(canvas[y : y + height, x : x + width], big)
    ]
    assert len(places) == 1
    return places[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_has_a_row_for_each_class_and_exact_pixels(tmp_path, channels):
    images, classes = random_images(9, channels=channels), np.array([2, 0, 1] * 3)
    save_grid(tmp_path / "g.png", images, classes, ["cat", "dog", "frog"], scale=3)
    canvas = read(tmp_path / "g.png")
    places = np.array([find(canvas, image, 3) for image in images])
    for k in range(3):
        tops, lefts = places[classes == k].T
        assert len(set(tops)) == 1
        assert (np.diff(lefts) > 0).all()
        names = canvas[tops[0] : tops[0] + 24, : lefts[0] - 2]
        assert (names < 128).any(), "the name at the left"
    assert places[1, 0] < places[2, 0] < places[0, 0]


def test_one_image_a_class_is_laid_out_in_five_columns(tmp_path):
    images = random_images(10)
    save_grid(tmp_path / "g.png", images, np.arange(10), list("abcdefghij"), scale=2)
    places = [find(read(tmp_path / "g.png"), image, 2) for image in images]
    assert places == sorted(places)
    assert len({y for y, _ in places}) == 2
    assert len({x for _, x in places}) == 5


@pytest.mark.parametrize(
    ("side", "classes", "ipc"),
    [
        (8, 10, 1),
        (8, 10, 50),
        (28, 10, 10),
        (32, 100, 1),
        (64, 200, 1),
        (64, 200, 2),
        (256, 10, 10),
    ],
)
def test_every_usual_size_gives_a_picture_of_sensible_size(tmp_path, side, classes, ipc):
    images = np.zeros((classes * ipc, side, side, 1), np.uint8)
    labels = np.repeat(np.arange(classes), ipc)
    save_grid(tmp_path / "g.png", images, labels, ["Name of a class"] * classes)
    height, width, _ = read(tmp_path / "g.png").shape
    assert 100 < width < 2000
    assert 100 < height < 20000
    dark = (read(tmp_path / "g.png") == 0).all(axis=-1).sum()
    assert dark >= side * side * classes


def test_images_that_do_not_fit_are_left_out_and_said_so(tmp_path):
    images = random_images(20, side=256)
    save_grid(tmp_path / "g.png", images, np.repeat([0, 1], 10), ["a", "b"])
    canvas = read(tmp_path / "g.png")
    find(canvas, images[0], 1)
    assert canvas.shape[1] < 1900
    assert (canvas[-20:] < 128).any()


def test_the_three_views(tmp_path):
    pixels = random_images(8)
    pixels[0, 0, 0] = 255
    preprocessing = fit_preprocessing("standardize", pixels)
    images = np.array(preprocessing(pixels))
    images[1, 0, 0] = [40, -40, 0]
    labels = np.eye(2, dtype=np.float32)[np.arange(8) // 4]
    distilled = small_set(
        images=images, labels=labels, preprocessing=preprocessing, class_names=("a", "b")
    )
    paths = save_views(tmp_path, "step_7", distilled)
    assert [p.name for p in paths] == [f"step_7_{v}.png" for v in ("raw", "clipped", "pixels")]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    raw = (images - images.min()) / (images.max() - images.min())
    low, high = (images.mean() + s * 2.5 * images.std() for s in (-1, 1))
    clipped = (np.clip(images, low, high) - low) / (high - low)
    shown = np.clip(np.asarray(preprocessing.inverse(images)), 0, 1)
    for path, expected in zip(paths, (raw, clipped, shown), strict=True):
        for image in np.rint(expected * 255).astype(np.uint8):
            find(read(path), image, 11)


def test_equal_images_give_equal_bytes_and_constant_ones_a_picture(tmp_path):
    images = np.full((4, 8, 8, 1), 0.3, np.float32)
    a, b = (
        save_grid(tmp_path / n, images, np.arange(4), "abcd", clip=2.5) for n in ("a.png", "b.png")
    )
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 500, "日本", "\udcff", "שלום"])
def test_any_class_name_can_be_drawn(tmp_path, name):
    for classes in (np.arange(4), np.arange(4) // 2):
        save_grid(tmp_path / "g.png", random_images(4), classes, [name] * 4)
        assert read(tmp_path / "g.png").shape[1] < 1000


GOOD = {"images": random_images(4), "classes": np.arange(4), "class_names": "abcd"}


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("N, H, W", {"images": np.zeros((4, 8, 8))}),
        ("not finite", {"images": np.full((4, 8, 8, 1), np.nan)}),
        ("4 integer classes", {"classes": np.arange(3)}),
        ("4 integer classes", {"classes": np.eye(4)}),
        ("0 to 3", {"class_names": "abc"}),
        ("-1 to 2", {"classes": np.arange(4) - 1}),
        ("at least 1", {"scale": 0}),
        ("not both", {"clip": 2.5, "preprocessing": lambda x: x}),
    ],
)
def test_what_a_grid_cannot_show_is_refused(tmp_path, message, change):
    with pytest.raises(InputError, match=message):
        save_grid(tmp_path / "g.png", **GOOD | change)


@pytest.mark.parametrize("channels", [2, 5])
def test_of_other_channels_some_are_shown_and_the_foot_says_which(tmp_path, channels):
    images = random_images(4, channels=channels)
    kept = images[..., :3] if channels > 2 else images[..., :1]
    grids = [
        Image.open(save_grid(tmp_path / f"{i.shape[-1]}.png", i, np.arange(4), "abcd"))
        for i in (images, kept)
    ]
    (some, whole) = map(np.asarray, grids)
    assert len(some) > len(whole)
    top = len(whole) - 12
    np.testing.assert_array_equal(some[:top], whole[:top])
    assert (some[len(whole) :] < 200).any()  # words
