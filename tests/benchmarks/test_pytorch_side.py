"""The PyTorch side of the benchmarks does the same work: float64, the same numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close

import mttjax
from mttjax.core.training import TrainState, sgd
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state

torch = pytest.importorskip("torch")

from benchmarks.pytorch import distilling, training  # noqa: E402
from benchmarks.pytorch.augmentation import OPERATIONS, apply_operation, dsa  # noqa: E402
from benchmarks.pytorch.drawing import make_generators, sample_batches  # noqa: E402
from benchmarks.pytorch.network import ConvNet, How, nchw, params_from_jax  # noqa: E402
from benchmarks.pytorch.same_draws import replay  # noqa: E402

OPS = tuple(OPERATIONS)
N, K, SHAPE = 6, 3, (16, 16, 3)
HOWS = [How(channels_last=channels_last) for channels_last in (False, True)]


def networks(shape=SHAPE, depth=1):
    """The network of both sides, and parameters in float64 from two keys."""
    net = mttjax.make_network(mttjax.NetworkSpec(depth=depth, width=8), shape, K)
    double = partial(jax.tree.map, lambda x: jnp.asarray(x, jnp.float64))
    params = [double(net.init(jax.random.key(seed))) for seed in (1, 2)]
    return net, ConvNet(shape, K, depth=depth, width=8), params


def to_nhwc(images):
    return images.detach().permute(0, 2, 3, 1).numpy()


@pytest.fixture
def problem(x64):
    """A ``Synthetic`` and a key."""
    keys = jax.random.split(jax.random.key(0), 3)
    images = jax.random.normal(keys[0], (N, *SHAPE), jnp.float64)
    labels = jax.nn.softmax(jax.random.normal(keys[1], (N, K), jnp.float64))
    return mttjax.Synthetic(images, labels, jnp.log(jnp.float64(0.05))), keys[2]


@pytest.mark.parametrize(("shape", "depth"), [((28, 28, 1), 2), ((20, 12, 3), 2)])
def test_the_networks_are_one_function(x64, shape, depth):
    net, torch_net, (params, _) = networks(shape, depth)
    images = jax.random.normal(jax.random.key(3), (5, *shape), jnp.float64)
    expected = jax.jit(net.apply)(params, images)
    logits = torch.func.functional_call(torch_net, params_from_jax(params), (nchw(images),))
    assert_trees_all_close(logits.numpy(), np.asarray(expected), rtol=1e-10)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("shape", [SHAPE, (15, 18, 1)])
def test_an_operation_with_the_same_draws_is_the_same(x64, op, shape):
    images = jax.random.normal(jax.random.key(5), (8, *shape), jnp.float64)
    key = jax.random.key(6)
    name, drawn = replay(key, (op,), 8, *shape[:2], np.float64)
    assert name == op
    ours = to_nhwc(apply_operation(op, nchw(images), drawn))
    theirs = jax.jit(partial(mttjax.dsa, ops=(op,)))(key, images)
    assert_trees_all_close(ours, np.asarray(theirs), atol=1e-12)


def test_distillation_steps_move_as_the_outer_steps(problem):
    synthetic, key = problem
    net, torch_net, (start, target) = networks()
    rates = {"lr_img": 300.0, "lr_lr": 0.01, "lr_lr_in": "alpha", "lr": 0.05}
    settings = mttjax.MTT(student_steps=2, **rates)
    step = jax.jit(make_outer_step(net.apply, None, settings, N))
    state = initial_state(synthetic, matching_optimiser(settings))
    pair = jax.tree.map(lambda x: x[None], (start, target))
    for _ in range(3):  # all images in every minibatch: their order does not count
        state, record = step(state, pair, key)
    moved, fixed, log_lr = state.synthetic
    assert jnp.max(jnp.abs(moved - synthetic.images)) > 1e-3
    assert jnp.abs(log_lr - synthetic.log_lr) > 1e-3
    for how in HOWS:
        data = nchw(synthetic.images), torch.tensor(np.asarray(fixed))
        ours = distilling.Distillation(torch_net, *data, settings, how)
        for _ in range(3):
            last = ours.step(*map(params_from_jax, (start, target)))
        numbers = (to_nhwc(ours.images), *(x.detach().numpy() for x in (ours.log_lr, *last)))
        expected = tuple(map(np.asarray, (moved, log_lr, record.loss, record.student_loss)))
        assert_trees_all_close(numbers, expected, rtol=1e-8, atol=1e-12)


def test_a_network_is_trained_on_a_set_as_by_the_evaluator(problem):
    synthetic, key = problem
    net, torch_net, (start, _) = networks()
    protocol = mttjax.Protocol(networks=1, epochs=6, batch=8)  # the rate drops before the last
    tests = {"test": (np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int32))}
    pixels = mttjax.Standardize(*np.float32([[0] * SHAPE[2], [1] * SHAPE[2]]))
    theirs = mttjax.Evaluator(net, pixels, (), tests, protocol)
    # Copies: the evaluator uses up the state that it is given.
    moved = sgd(momentum=protocol.momentum, weight_decay=protocol.weight_decay).init(start)
    state, drop = TrainState(jax.tree.map(jnp.copy, start), moved), protocol.epochs // 2 + 2
    data = (synthetic.images, synthetic.labels)
    state = theirs._train(state, key, *data, 0.1, drop, 0, protocol.epochs)
    expected = {name: p.numpy() for name, p in params_from_jax(state.params).items()}
    for how in HOWS:
        torch_net.double().load_state_dict(params_from_jax(start))
        torch_net.to(memory_format=how.memory_format)
        data = nchw(synthetic.images), torch.tensor(np.asarray(synthetic.labels))
        training.train_network(torch_net, *data, 0.1, make_generators(0), protocol, how)
        ours = {name: p.detach().numpy() for name, p in torch_net.named_parameters()}
        assert_trees_all_close(ours, expected, rtol=1e-8, atol=1e-12)


def toy():
    """uint8 images whose class is their brightness."""
    labels = np.arange(50) % K
    noise = np.random.default_rng(0).integers(0, 60, (50, *SHAPE))
    images = (noise + 80 * labels[:, None, None, None]).astype(np.uint8)
    images[..., :8, :, 0] //= 2  # seen also by an instance norm
    images[:, :, :8, 1][labels == 0] = 0
    images[:, :, :8, 2][labels == 1] = 0
    return nchw(images), torch.tensor(labels)


def fresh_network():
    torch.manual_seed(0)
    return ConvNet(SHAPE, K, depth=2, width=8)


def test_an_expert_learns_alike_in_both_memory_formats():
    data, prepare = toy(), training.standardise([0.3] * 3, [0.2] * 3)
    histories = []
    for how in HOWS:
        told = how._replace(ops=OPS)
        expert = training.Expert(fresh_network(), data, data, prepare, told, batch=16)
        histories.append(torch.tensor([expert.epoch() for _ in range(10)]))
    losses, accuracies = histories[0].T
    assert losses[-1] < losses[0]
    assert accuracies[-1] > 0.8
    assert_trees_all_close(*(h.numpy() for h in histories), atol=1e-2)


def test_an_evaluation_gives_an_accuracy_per_network():
    images, labels = toy()
    prepare = training.standardise([0.3] * 3, [0.2] * 3)
    data = prepare(images), torch.eye(K)[labels], 0.02, (images, labels)
    before, protocol = torch.get_rng_state(), mttjax.Protocol(networks=2, epochs=8)
    accuracies = training.evaluate(fresh_network, *data, prepare, protocol, How(OPS))
    assert accuracies.shape == (2,)
    assert (accuracies > 0.5).all()
    assert torch.equal(before, torch.get_rng_state())


def test_minibatches_and_operations_are_all_drawn():
    generators = make_generators(0)
    batches = sample_batches(generators.device, 12, 9, 4)
    assert batches.shape == (9, 4)
    assert all(sorted(one) == list(range(12)) for one in batches.view(3, 12).tolist())
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    for op in OPS:
        assert dsa(generators, images, (op,)).dtype == images.dtype
    assert {generators.host.choice(OPS) for _ in range(100)} == set(OPS)
