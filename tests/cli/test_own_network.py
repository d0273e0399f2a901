"""``--network FILE.py:FUNCTION``: experts, distillation and evaluation, and who refuses whom."""

import dataclasses
import shutil

import pytest

from mttjax.core.networks import network, own, own_network
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore

TINY = ("--config", "tiny.py")
EVALUATE = ("evaluate", "set", "runs/tiny-ipc1/last.npz", "--no-random")
EVALUATE += ("--protocol.networks", "1", "--protocol.epochs", "2")

FILE = """
import jax

def make(classes, image_shape):
    size = image_shape[0] * image_shape[1] * image_shape[2]
    init = lambda key: {"w": jax.random.normal(key, (size, classes)) / 99}
    return init, lambda params, images: images.reshape(len(images), -1) @ params["w"]
"""


def forget():
    """What a new process does not know."""
    for known in (network._made, own.own_module):
        known.cache_clear()
    own._MADE.clear()


@pytest.fixture
def folder(place, monkeypatch):
    """The place with a network's file in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    (place / "net.py").write_text(FILE)
    return place


def test_the_whole_way_on_a_network_of_ones_own(folder, mttjax):
    own_file = ("--network", "net.py:make")
    assert mttjax("train_experts", *TINY, *own_file, "--experts.count", "1")[0] == 0
    store = ExpertStore("experts/digits/net.py-make-standardize")
    short = ("--distill.steps", "1", "--distill.validation.networks", "0", "--experts.count", "1")
    assert mttjax("distill", *TINY, *own_file, *short)[0] == 0
    name = load_distilled("runs/tiny-ipc1/last.npz").network.name
    assert name.startswith("net.py:make@")
    assert store.recipe.network.name == name
    assert mttjax(*EVALUATE)[0] == 0

    # Its file moved: the set says so, and is told where; the experts are known all the same.
    (folder / "else").mkdir()
    shutil.move("net.py", "else/net.py")
    forget()
    status, _, said = mttjax(*EVALUATE)
    assert status == 2
    assert "is not there: no file net.py. Give the network as --network FILE.py:make" in said
    moved = ("--network", "else/net.py:make")
    assert mttjax(*EVALUATE, *moved)[0] == 0
    recipe = dataclasses.replace(store.recipe, network=own_network(moved[1]))
    store.require(recipe, load_dataset("digits"))

    # Another network of the same shapes: its experts are not those.
    (folder / "net.py").write_text(FILE.replace("99", "9"))
    status, _, said = mttjax("distill", *TINY, *own_file, "--run.folder", "runs/other")
    assert status == 2
    assert f"network.name is '{name}' there and 'net.py:make@" in said
    forget()
    status, _, said = mttjax(*EVALUATE)
    assert status == 2
    assert "net.py was changed" in said
