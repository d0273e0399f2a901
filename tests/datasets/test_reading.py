"""Many image files: their size, their kinds, all faults at once, memory, the cache."""

import os

import numpy as np
import pytest
from PIL import Image
from small import save_image, write_class_folders

from mttjax.datasets import reading
from mttjax.datasets.loading import load_dataset
from mttjax.system import memory
from mttjax.system.errors import InputError
from mttjax.system.files import cache_folder


def load(folder, **settings):
    return load_dataset("image_folder", folder=folder, **{"validation": 0} | settings)


@pytest.fixture
def folder(tmp_path):
    return write_class_folders(tmp_path / "pets", ".", n=10)


def test_the_size_is_taken_where_every_image_has_the_same(tmp_path):
    folder = write_class_folders(tmp_path, ".", n=5, size=(10, 6))
    assert load(folder).image_shape == (6, 10, 3)
    save_image(folder / "ant" / "x.png", (1, 2, 3), (9, 9))
    with pytest.raises(InputError, match=r"2 sizes 10x6 \(15\), 9x9 \(1\): give .*data.resolution"):
        load(folder)
    assert load(folder, resolution=6, fit="squash").image_shape == (6, 6, 3)
    with pytest.raises(InputError, match="fit is 'stretch': must be one of crop, squash"):
        load(folder, resolution=6, fit="stretch")
    tiny = write_class_folders(tmp_path / "tiny", ".", size=(3, 3))
    with pytest.raises(InputError, match=r"the size 3x3 \(6\): give"):
        load(tiny)


def test_grey_among_colour_and_transparency_are_said(folder):
    for k in range(4):
        save_image(folder / "ant" / f"grey{k}.png", 9, mode="L")
    save_image(folder / "bee" / "clear.png", (1, 2, 3, 0), mode="RGBA")
    line = load(folder).describe()
    assert "4 grey and 31 colour images, all as three channels" in line
    assert "1 with an alpha channel, put on white" in line


def test_all_unreadable_images_are_told_at_once(folder):
    damaged = [folder / "bee" / f"{k}.png" for k in range(6)]
    for k, path in enumerate(damaged):  # no header; no end
        path.write_bytes(b"" if k % 2 else path.read_bytes()[:50])
    for k in range(8):
        (folder / "cat" / f"{k}.png").write_bytes(b"?")
    with pytest.raises(InputError) as caught:
        load(folder)
    lines = str(caught.value).split("\n")
    assert lines[0] == "14 of 30 images cannot be read:"
    assert lines[-1] == "  and 4 more"
    assert len(lines) == 12
    for k in range(8):
        (folder / "cat" / f"{k}.png").unlink()
    with pytest.raises(InputError) as caught:
        load(folder)
    assert all(str(path) in str(caught.value) for path in damaged)


def test_more_pixels_than_memory_are_refused_before_they_are_read(folder, monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 2**20)
    monkeypatch.setattr(reading, "read_pixels", None)
    with pytest.raises(
        InputError, match=r"30 images of 128x128x3.*lower data.resolution, or .*GiB"
    ):
        load(folder, resolution=128)


def test_memory_that_ends_while_reading_names_what_helps(folder, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(reading, "require_memory", exhausted)
    with pytest.raises(InputError, match=r"not enough memory.*Lower data.resolution, or choose"):
        load(folder)


def kept():
    return sorted((cache_folder() / "datasets").iterdir())


def test_images_are_decoded_once_and_again_when_a_file_changed(folder, monkeypatch):
    first = load(folder)
    assert [path.suffix for path in kept()] == [".json", ".npy"]
    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_pixels", None)
        second = load(folder)
        assert second.checksum == first.checksum
        assert second.describe() == first.describe()
        np.testing.assert_array_equal(second.test.images, first.test.images)
    path = folder / "ant" / "0.png"
    at = path.stat()
    image = Image.open(path)
    image.putpixel((0, 0), (255, 0, 0))
    image.save(path)
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
    changed = load(folder)
    together = np.concatenate([changed.train.images, changed.test.images])
    assert together.max() == 255
    assert len(kept()) == 2  # in the place of the old ones
    (folder / "ant" / "1.png").unlink()
    assert len(load(folder).train.labels) + len(load(folder).test.labels) == 29


@pytest.mark.parametrize("ending", [".npy", ".json"])
@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b[:-9] + bytes(9), lambda b: b""])
def test_a_damaged_cache_is_made_anew(folder, ending, damage):
    first = load(folder)
    path = next(path for path in kept() if path.suffix == ending)
    path.write_bytes(damage(path.read_bytes()))
    again = load(folder)
    np.testing.assert_array_equal(again.train.images, first.train.images)
    np.testing.assert_array_equal(again.test.images, first.test.images)


def test_a_cache_that_cannot_be_written_is_done_without(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load(folder).train.labels) == 24


def test_other_sizes_and_classes_have_caches_of_their_own(folder):
    for settings in ({}, {"resolution": 4}, {"resolution": 4, "fit": "squash"}):
        load(folder, **settings)
    assert len(kept()) == 6
    assert load(folder, classes=("bee", "ant")).train.images[0, 0, 0, 0] >= 40
    assert load(folder).train.images[0, 0, 0, 0] < 40
    assert len(kept()) == 8
