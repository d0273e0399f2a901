"""The PyTorch side of the benchmarks does the same work: float64, the same numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close, assert_trees_all_equal

import mttjax
from mttjax.config.methods import Matching
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.training import TrainState
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state

torch = pytest.importorskip("torch")

from benchmarks.pytorch import distilling, evaluating, training  # noqa: E402
from benchmarks.pytorch.augmentation import OPERATIONS, apply_operation, dsa  # noqa: E402
from benchmarks.pytorch.drawing import draw, make_generators, sample_batches  # noqa: E402
from benchmarks.pytorch.network import ConvNet, params_from_jax, params_to_jax  # noqa: E402
from benchmarks.pytorch.same_draws import make_augment, replay  # noqa: E402

OPS = tuple(OPERATIONS)
N, K, STEPS, BATCH, SHAPE = 6, 3, 3, 4, (16, 16, 3)


def double(tree):
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)


def networks(shape=SHAPE, depth=1):
    """The network of both sides, and parameters in float64 from two keys."""
    net = mttjax.make_network(mttjax.NetworkSpec(depth=depth, width=8), shape, K)
    params = [double(net.init(jax.random.key(seed))) for seed in (1, 2)]
    return net, ConvNet(shape, K, depth=depth, width=8), params


def to_nchw(images):
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2)


def to_nhwc(images):
    return images.detach().permute(0, 2, 3, 1).numpy()


@pytest.fixture
def problem(x64):
    keys = jax.random.split(jax.random.key(0), 4)
    images = jax.random.normal(keys[0], (N, *SHAPE), jnp.float64)
    labels = jax.nn.softmax(jax.random.normal(keys[1], (N, K), jnp.float64))
    batches = mttjax.sample_batches(keys[2], N, STEPS, BATCH)
    return mttjax.Synthetic(images, labels, jnp.log(jnp.float64(0.05))), batches, keys[3]


@pytest.mark.parametrize(("shape", "depth"), [((28, 28, 1), 2), ((20, 12, 3), 2)])
def test_the_networks_are_one_function(x64, shape, depth):
    net, torch_net, (params, _) = networks(shape, depth)
    images = jax.random.normal(jax.random.key(3), (5, *shape), jnp.float64)
    expected = jax.jit(net.apply)(params, images)
    logits = torch.func.functional_call(torch_net, params_from_jax(params), (to_nchw(images),))
    assert_trees_all_close(logits.numpy(), np.asarray(expected), rtol=1e-10)


def test_parameters_there_and_back_are_the_same(x64):
    _, torch_net, (params, _) = networks()
    converted = params_from_jax(params)
    assert {n: p.shape for n, p in converted.items()} == {
        n: p.shape for n, p in torch_net.named_parameters()
    }
    assert_trees_all_equal(params_to_jax(converted), jax.tree.map(np.asarray, params))


def by_jax(ops, depth=1):
    """The compiled value and gradients of mttjax's loss."""
    net, _, (start, target) = networks(depth=depth)
    augment = (lambda key, x: mttjax.dsa(key, x, ops=ops)) if ops else None

    @jax.jit
    def run(synthetic, batches, key):
        loss = lambda s: match_loss(
            s, start, target, apply=net.apply, batches=batches, augment=augment, key=key
        )
        (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(synthetic)
        return value, grads.images, grads.log_lr, aux.losses[-1]

    return lambda *args: tuple(map(np.asarray, run(*args)))


def by_torch(synthetic, batches, key, ops, channels_last=False, depth=1):
    _, torch_net, params = networks(depth=depth)
    start, target = map(params_from_jax, params)
    images = to_nchw(synthetic.images).requires_grad_()
    log_lr = torch.tensor(float(synthetic.log_lr), dtype=torch.float64, requires_grad=True)
    loss, last = distilling.match_loss(
        torch_net,
        images,
        torch.tensor(np.asarray(synthetic.labels)),
        log_lr,
        start,
        target,
        torch.tensor(np.asarray(batches)),
        channels_last=channels_last,
        augment=make_augment(key, ops, np.float64) if ops else None,
    )
    loss.backward()
    return loss.detach().numpy(), to_nhwc(images.grad), log_lr.grad.numpy(), last.numpy()


def test_loss_and_gradients_are_those_of_mttjax(problem):
    expected = by_jax((), depth=2)(*problem)
    for channels_last in (False, True):
        ours = by_torch(*problem, (), channels_last, depth=2)
        assert_trees_all_close(ours, expected, rtol=1e-8, atol=1e-14)


def test_with_the_same_augmentations_too(problem):
    synthetic, batches, _ = problem
    theirs = by_jax(OPS)
    seen = set()
    for seed in range(8):
        at = synthetic, batches, jax.random.key(seed)
        assert_trees_all_close(by_torch(*at, OPS), theirs(*at), rtol=1e-6, atol=1e-12)
        keys = [jax.random.fold_in(at[2], step) for step in range(STEPS)]
        seen |= {replay(key, OPS, BATCH, *SHAPE[:2], np.float64)[0] for key in keys}
    assert seen == set(OPS)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("shape", [SHAPE, (15, 18, 1)])
def test_an_operation_with_the_same_draws_is_the_same(x64, op, shape):
    images = jax.random.normal(jax.random.key(5), (8, *shape), jnp.float64)
    key = jax.random.key(6)
    name, drawn = replay(key, (op,), 8, *shape[:2], np.float64)
    assert name == op
    ours = to_nhwc(apply_operation(op, to_nchw(images), drawn))
    theirs = jax.jit(partial(mttjax.dsa, ops=(op,)))(key, images)
    assert_trees_all_close(ours, np.asarray(theirs), atol=1e-12)


@pytest.mark.parametrize("op", OPS)
def test_own_draws_have_the_names_kinds_and_ranges_of_the_replayed(op):
    ours = draw(torch.Generator().manual_seed(0), op, 4000, 16, 15, "cpu")
    _, theirs = replay(jax.random.key(0), (op,), 4000, 16, 15)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        a, b = values.double(), theirs[name].double()
        assert values.is_floating_point() == theirs[name].is_floating_point()
        room = 0.01 * (b.max() - b.min()) if values.is_floating_point() else 0
        assert abs(a.min() - b.min()) <= room
        assert abs(a.max() - b.max()) <= room
        assert abs(a.mean() - b.mean()) <= 0.05 * (b.max() - b.min())


def test_distillation_steps_move_as_the_outer_steps(problem):
    synthetic, _, key = problem
    net, torch_net, (start, target) = networks()
    settings = {"student_steps": 2, "lr_img": 300.0, "lr_lr": 0.01, "lr_lr_in": "alpha"}
    step = jax.jit(make_outer_step(net.apply, None, Matching(**settings), N))
    state = initial_state(synthetic, matching_optimiser(Matching(**settings)))
    pair = jax.tree.map(lambda x: x[None], (start, target))
    for _ in range(3):  # all images in every minibatch: their order does not count
        state, record = step(state, pair, key)
    moved, fixed, log_lr = state.synthetic
    assert jnp.max(jnp.abs(moved - synthetic.images)) > 1e-3
    assert jnp.abs(log_lr - synthetic.log_lr) > 1e-3
    for channels_last in (False, True):
        ours = distilling.Distillation(
            torch_net,
            to_nchw(synthetic.images),
            torch.tensor(np.asarray(fixed)),
            distilling.Matching(**settings, lr=0.05),
            channels_last=channels_last,
        )
        for _ in range(3):
            last = ours.step(*map(params_from_jax, (start, target)))
        numbers = (to_nhwc(ours.images), *(x.detach().numpy() for x in (ours.log_lr, *last)))
        expected = tuple(map(np.asarray, (moved, log_lr, record.loss, record.student_loss)))
        assert_trees_all_close(numbers, expected, rtol=1e-8, atol=1e-12)


def test_a_network_is_trained_on_a_set_as_by_the_evaluator(problem):
    synthetic, _, key = problem
    net, torch_net, (start, _) = networks()
    settings = {"networks": 1, "epochs": 6, "batch": 8}  # the rate drops before the last epoch
    tests = {"test": (np.zeros((2, *SHAPE), np.uint8), np.zeros(2, np.int32))}
    theirs = mttjax.Evaluator(net, lambda x: x, (), tests, mttjax.Protocol(**settings))
    state = TrainState(start, theirs._optimiser.init(start))
    data = synthetic.images, synthetic.labels, 0.1
    state = jax.jit(theirs._train)(state, key, *data, 0, settings["epochs"])
    expected = jax.tree.map(np.asarray, state.params)
    for channels_last in (False, True):
        torch_net.double().load_state_dict(params_from_jax(start))
        torch_net.to(memory_format=training.memory_format(channels_last))
        evaluating.train_network(
            torch_net,
            to_nchw(data[0]),
            torch.tensor(np.asarray(data[1])),
            0.1,
            make_generators(0),
            protocol=evaluating.Protocol(**settings),
            channels_last=channels_last,
        )
        ours = params_to_jax(dict(torch_net.named_parameters()))
        assert_trees_all_close(ours, expected, rtol=1e-8, atol=1e-12)


def toy():
    """uint8 images whose class is their brightness."""
    labels = np.arange(50) % K
    noise = np.random.default_rng(0).integers(0, 60, (50, *SHAPE))
    images = (noise + 80 * labels[:, None, None, None]).astype(np.uint8)
    images[..., :8, :, 0] //= 2  # seen also by an instance norm
    images[:, :, :8, 1][labels == 0] = 0
    images[:, :, :8, 2][labels == 1] = 0
    return training.nchw(images), torch.tensor(labels)


def fresh_network():
    torch.manual_seed(0)
    return ConvNet(SHAPE, K, depth=2, width=8)


def test_an_expert_learns_alike_in_both_memory_formats():
    data, prepare = toy(), training.standardise([0.3] * 3, [0.2] * 3)
    histories = []
    for channels_last in (False, True):
        expert = training.Expert(
            fresh_network(), data, data, prepare, ops=OPS, batch=16, channels_last=channels_last
        )
        histories.append(torch.tensor([expert.epoch() for _ in range(10)]))
    losses, accuracies = histories[0].T
    assert losses[-1] < losses[0]
    assert accuracies[-1] > 0.8
    assert_trees_all_close(*(h.numpy() for h in histories), atol=1e-2)


def test_an_evaluation_gives_an_accuracy_per_network():
    images, labels = toy()
    prepare = training.standardise([0.3] * 3, [0.2] * 3)
    protocol = evaluating.Protocol(networks=2, epochs=8)
    before = torch.get_rng_state()
    accuracies = evaluating.evaluate(
        fresh_network,
        prepare(images),
        torch.eye(K)[labels],
        0.02,
        (images, labels),
        prepare,
        protocol=protocol,
        ops=OPS,
    )
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
