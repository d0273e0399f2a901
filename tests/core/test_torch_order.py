"""Parameters as PyTorch lists them: the logits of its networks, and the way back."""

from pathlib import Path

import jax
import numpy as np
import pytest

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.networks.torch_order import from_torch_order, to_torch_order, torch_shapes
from mttjax.system.errors import InputError
from mttjax.system.torch_reading import open_torch

FILES = Path(__file__).resolve().parents[1] / "torch_files"
CASES = {
    "instance-28": {"depth": 3},
    "instance": {"depth": 2},
    **{norm: {"depth": 2, "norm": norm} for norm in ("batch", "layer", "group")},
    "none": {"depth": 1, "norm": "none"},
    "sigmoid-max": {"depth": 2, "activation": "sigmoid", "pooling": "max"},
    "leaky-nopool": {"depth": 2, "activation": "leaky_relu", "pooling": "none"},
    "deep": {"depth": 4},
}


@pytest.fixture(params=CASES)
def case(request):
    """A network and PyTorch's parameters, images [2, C, H, W] and logits."""
    with open_torch(FILES / f"network-{request.param}.pt") as held:
        params = [tensor.read() for tensor in held["params"]]
        images, logits = held["images"].read(), held["logits"].read()
    shape, spec = images.transpose(0, 2, 3, 1).shape[1:], CASES[request.param]
    network = make_network(NetworkSpec(width=4, **spec), shape, logits.shape[1])
    return network, params, images, logits


def test_the_network_computes_what_pytorch_computed(case):
    network, tensors, images, logits = case
    params = from_torch_order(tensors, network.shapes)
    same = jax.tree.map(lambda a, leaf: a.shape == leaf.shape, params, network.shapes)
    assert jax.tree.all(same)
    found = network.apply(params, images.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(found, logits, atol=1e-5)


def test_there_and_back_are_the_same_numbers(case):
    network, tensors, _, _ = case
    again = to_torch_order(from_torch_order(tensors, network.shapes))
    assert len(again) == len(tensors)
    for a, b in zip(again, tensors, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", CASES)
def test_pytorch_computes_the_same_both_ways(name):
    torch = pytest.importorskip("torch")
    from torch_files.__main__ import NETWORKS, convnet

    channels, side = NETWORKS[name][4]
    theirs = convnet(*NETWORKS[name])
    spec = NetworkSpec(width=4, **CASES[name])
    network = make_network(spec, (side, side, channels), NETWORKS[name][5])
    images = np.random.default_rng(0).standard_normal((3, channels, side, side), np.float32)
    logits = lambda: theirs(torch.from_numpy(images)).detach().numpy()
    ours = lambda params: network.apply(params, images.transpose(0, 2, 3, 1))

    there = from_torch_order([p.detach().numpy() for p in theirs.parameters()], network.shapes)
    np.testing.assert_allclose(ours(there), logits(), atol=1e-5)
    params = jax.tree.map(lambda leaf: leaf + 0.1, network.init(jax.random.key(0)))
    with torch.no_grad():
        for parameter, tensor in zip(theirs.parameters(), to_torch_order(params), strict=True):
            parameter.copy_(torch.tensor(tensor))
    np.testing.assert_allclose(ours(params), logits(), atol=1e-5)


@pytest.mark.parametrize("name", ["alexnet", "vgg11"])
def test_the_other_networks_without_shortcuts_go_there_and_back(name):
    shapes = make_network(NetworkSpec(name=name), (32, 32, 3), 10).shapes
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)
    tensors = to_torch_order(params)
    assert [t.shape for t in tensors] == torch_shapes(shapes)
    assert tensors[-2].shape[0] == 10
    jax.tree.map(np.testing.assert_array_equal, from_torch_order(tensors, shapes), params)


def test_another_network_is_refused():
    shapes = make_network(NetworkSpec(depth=1, width=4), (8, 8, 3), 3).shapes
    tensors = [np.zeros(shape, np.float32) for shape in torch_shapes(shapes)]
    with pytest.raises(
        InputError, match=r"the snapshot's tensors are 4x3x3x3 4 4 4 3x64, .*3x64 3:"
    ):
        from_torch_order(tensors[:-1], shapes)
    resnet = make_network(NetworkSpec(name="resnet18"), (32, 32, 3), 10).shapes
    with pytest.raises(InputError, match="only networks without shortcuts"):
        to_torch_order(resnet)
