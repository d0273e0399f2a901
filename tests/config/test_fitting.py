"""What the preset ``own`` takes from the images, and what stays as it was said."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from small import write_class_folders

from mttjax import fit_to_data
from mttjax.config import Data
from mttjax.config.fitting import _batch, _depth, _minibatch
from mttjax.config.presets import load_preset
from mttjax.system.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def own(folder):
    settings = load_preset("own").settings(10)
    data = dataclasses.replace(settings.data, dir=str(folder))
    return fit_to_data(dataclasses.replace(settings, data=data))


def test_a_folder_of_one_size_keeps_it(tmp_path):
    write_class_folders(tmp_path / "pets", "train", n=3, size=(20, 12))
    write_class_folders(tmp_path / "pets", "test", n=1, size=(20, 12))
    settings = own(tmp_path / "pets")
    assert (settings.data.dataset, settings.data.resolution) == ("image_folder", None)
    assert (settings.network.depth, settings.experts.batch, settings.distill.batch) == (2, 16, None)
    assert settings.run_name == "own-pets"


def test_a_folder_of_several_sizes_is_brought_to_64(tmp_path):
    write_class_folders(tmp_path / "pets", "", n=5, size=(20, 12))
    Image.new("RGB", (9, 30)).save(tmp_path / "pets/ant/z.png")
    settings = own(tmp_path / "pets")
    assert (settings.data.resolution, settings.network.depth) == (64, 4)
    data = Data(dataset="image_folder", dir=str(tmp_path / "pets"), resolution=32)
    given = ("data.resolution", "network.depth")
    settings = fit_to_data(dataclasses.replace(load_preset("own").settings(), data=data), given)
    assert (settings.data.resolution, settings.network.depth) == (32, 3)


def test_arrays_are_known_by_their_ending(tmp_path):
    images, labels = np.zeros((60, 28, 28), np.uint8), np.arange(60) % 30
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "mine.npz", **arrays)
    settings = own(tmp_path / "mine.npz")
    assert (settings.data.dataset, settings.network.depth) == ("arrays", 3)
    assert settings.distill.batch == 150  # of 300


def test_without_images_it_says_what_it_needs():
    with pytest.raises(InputError, match=r"own needs images: give a folder, or an \.npz, as data"):
        fit_to_data(load_preset("own").settings())


def test_sizes_that_follow():
    assert [_depth(n) for n in (4, 8, 28, 32, 64, 96, 128, 1024)] == [1, 2, 3, 3, 4, 5, 5, 6]
    assert [_batch(n) for n in (1, 300, 1000, 5120, 10**6)] == [16, 16, 32, 256, 256]
    assert [_minibatch(n) for n in (10, 256, 300, 500, 257)] == [None, None, 150, 250, 256]
