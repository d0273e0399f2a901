"""Networks of one's own: from a file or a program, and what is refused of them."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mttjax
from mttjax.core.networks import Layers, NetworkSpec, make_network, network, own, own_network
from mttjax.system.errors import InputError

SHAPE, CLASSES = (4, 4, 2), 3

FILE = """
import flax.linen as nn
from helper import WIDTH

class Net(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Dense(WIDTH)(images.reshape(len(images), -1)))
        return nn.Dense(self.classes)(x)

def make(classes, image_shape):
    return Net(classes)

def broken(classes, image_shape):
    return None + 1
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with a network's file, and nothing known of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "helper.py").write_text("WIDTH = 5\n")
    (tmp_path / "net.py").write_text(FILE)
    forget()
    return tmp_path


def forget():
    """What a new process does not know."""
    for known in (network._made, own.own_module):
        known.cache_clear()
    own._MADE.clear()


def linear(classes, image_shape):
    size = int(np.prod(image_shape))

    def init(key):
        return {"w": jax.random.normal(key, (size, classes)), "b": jnp.zeros(classes)}

    def apply(params, images):
        return images.reshape(len(images), -1) @ params["w"] + params["b"][None]

    return init, apply


def test_a_pair_of_functions_is_a_network():
    made = make_network(own_network(linear), SHAPE, CLASSES)
    params, images = made.init(jax.random.key(0)), np.ones((5, *SHAPE), np.float32)
    np.testing.assert_allclose(
        made.apply(params, images), images.reshape(5, -1) @ params["w"], rtol=1e-5
    )
    assert made.per_image
    assert make_network(own_network(linear), SHAPE, CLASSES) is made
    with pytest.raises(InputError, match="does not say what its layers are"):
        made.layers(params, images)


def test_a_pair_with_layers_has_them():
    def make(classes, image_shape):
        init, apply = linear(classes, image_shape)
        return init, apply, lambda params, x: Layers((x,), x.reshape(len(x), -1))

    made = make_network(own_network(make), SHAPE, CLASSES)
    layers = made.layers(made.init(jax.random.key(0)), jnp.ones((2, *SHAPE)))
    assert layers.embedding.shape == (2, 32)


def test_a_module_in_a_file_is_found_again_by_its_description(place):
    spec = own_network("net.py:make")
    assert spec.name.startswith("net.py:make@")
    made = make_network(NetworkSpec(spec.name), SHAPE, CLASSES)
    assert made.shapes["Dense_0"]["kernel"].shape == (32, 5)
    assert not (place / "__pycache__/net.cpython-311.pyc").exists()


def test_a_file_that_was_changed_moved_or_never_named_is_not_run(place):
    name = own_network("net.py:make").name
    (place / "net.py").write_text("raise SystemExit('run')")
    with pytest.raises(InputError, match=r"net.py was changed, its checksum is \w+\. Take"):
        make_network(NetworkSpec(name), SHAPE, CLASSES)
    (place / "net.py").unlink()
    with pytest.raises(
        InputError, match=r"is not there: no file net.py\. Give the network as --net"
    ):
        make_network(NetworkSpec(name), SHAPE, CLASSES)
    (place / "net.py").write_text(FILE)
    (place / "cache/mttjax/trusted" / name.rpartition("@")[2]).unlink()
    with pytest.raises(InputError, match="a program that you did not name yet"):
        make_network(NetworkSpec(name), SHAPE, CLASSES)


def keeps_statistics(classes, image_shape):
    return nn.BatchNorm(use_running_average=False)


def has_more_classes(classes, image_shape):
    return linear(classes + 1, image_shape)


def is_no_network(classes, image_shape):
    return "a network"


@pytest.mark.parametrize(
    ("network", "fault"),
    [
        (keeps_statistics, "keeps batch_stats beside its parameters"),
        (has_more_classes, r"its logits are \(2, 4\), expected \(2, 3\)"),
        (is_no_network, "returned a str, expected a module of flax.linen"),
        ("net.py:broken", r"net.py:broken@\w+, line 17: TypeError: unsupported operand"),
        ("net.py:other", r"net.py has no function other; it has Net, make, broken"),
        ("net.py", "network is 'net.py': give FILE.py:FUNCTION"),
        ("nat.py:make", "cannot read nat.py: No such file"),
    ],
)
def test_what_is_no_network_is_refused(network, fault):
    with pytest.raises(InputError, match=fault):
        make_network(own_network(network), SHAPE, CLASSES)


def test_fields_of_the_convnet_are_not_for_ones_own():
    with pytest.raises(InputError, match=r"width is 4, which .* does not use"):
        make_network(replace(own_network(linear), width=4), SHAPE, CLASSES)


def test_a_network_that_looks_at_the_whole_batch_is_known():
    def make(classes, image_shape):
        init, apply = linear(classes, image_shape)
        return init, lambda params, images: apply(params, images - images.mean(0)[None])

    assert not make_network(own_network(make), SHAPE, CLASSES).per_image


def test_it_is_public():
    assert mttjax.own_network is own_network
