"""Bad input to the library's functions."""

import contextlib
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import mttjax
from benchmarks.torture.inputs_values import ANYTHING, TEXTS, Target, arrays
from mttjax.config.checks import check_settings
from mttjax.config.methods import KINDS
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.preprocessing import Standardize
from mttjax.core.synthetic import initial_images, one_hot_labels, to_device
from mttjax.evaluation.evaluator import Evaluator
from mttjax.system.errors import InputError

__all__ = ["targets"]

N, SIDE, K = 4, 4, 3
DERIVATIVES = ("mixed", "checkpoint", "plain")


@contextlib.contextmanager
def targets():
    """The targets; nothing has to be set up."""
    library = (ValueError,)
    yield [
        Target("match_loss", 1500, match_cases(), match, library),
        Target("to_device", 700, device_cases(), lambda case: to_device(**case), library),
        Target("sample_batches", 300, batches_cases(), sample, library),
        Target("initial_images", 500, initial_cases(), begin, library),
        Target("make_network", 700, network_cases(), network, (InputError,)),
        Target("Evaluator", 400, protocol_cases(), evaluator, (InputError,)),
        Target("settings", 1500, settings_cases(), settings, (InputError,)),
    ]


def linear(params, images):
    """A network: one matrix."""
    return images.reshape(len(images), -1) @ params["w"] + params["b"][None]


def drawn_some(draw, usual, changes, most=2):
    """``usual`` with up to ``most`` of its members drawn from ``changes``."""
    names = draw(st.lists(st.sampled_from(sorted(changes)), max_size=most, unique=True))
    return usual | {name: draw(changes[name]) for name in names}


def trees():
    """Parameters, near those of ``linear``."""
    leaves = {"w": arrays((SIDE * SIDE, K)), "b": arrays((K,))}
    odd = [{}, None, [], {"w": None}, {"w": "x", "b": 1.0}, {"w": {}, "b": []}, 1.0, "x"]
    return st.fixed_dictionaries(leaves) | st.sampled_from(odd)


@st.composite
def match_cases(draw):
    one = jax.random.key(0)
    params = {"w": np.ones((SIDE * SIDE, K), np.float32), "b": np.zeros(K, np.float32)}
    usual = {
        "images": np.ones((N, SIDE, SIDE, 1), np.float32),
        "labels": np.ones((N, K), np.float32) / K,
        "log_lr": np.float32(-3),
        "start": params,
        "target": jax.tree.map(lambda x: x + 1, params),
        "batches": np.array([[0, 1], [2, 3]]),
        "key": one,
        "augment": None,
        "chunk": None,
        "derivative": "mixed",
        "apply": linear,
        "how": draw(st.sampled_from(["shapes"] * 11 + ["values"])),
    }
    keys = [
        None,
        0,
        jax.random.PRNGKey(1),
        jax.random.split(jax.random.key(0), 3),
        "k",
        np.zeros(2),
    ]
    dsa = lambda key, x: mttjax.dsa(key, x, ops=("flip", "crop"))
    same = lambda key, x: x
    changes = {
        "images": arrays((N, SIDE, SIDE, 1)) | ANYTHING,
        "labels": arrays((N, K)) | ANYTHING,
        "log_lr": arrays(()) | ANYTHING,
        "start": trees(),
        "target": trees(),
        "batches": arrays((2, 2)) | ANYTHING,
        "key": st.sampled_from(keys),
        "augment": st.sampled_from([dsa, same, "flip", 3, ("flip",)]),
        "chunk": st.sampled_from([0, 1, 2, 3, -1, 2.0, "1", True, 10**20]),
        "derivative": st.sampled_from(DERIVATIVES) | ANYTHING,
        "apply": st.sampled_from([linear, lambda p, x: x, lambda p, x: 0.0, None, len, "net"]),
    }
    return drawn_some(draw, usual, changes, most=2)


def match(case):
    """The loss and its gradient; by shapes alone for most, which is as much of our code."""
    case = dict(case)
    how, names = case.pop("how"), ("images", "labels", "log_lr")
    synthetic = mttjax.Synthetic(*(case.pop(name) for name in names))
    trees = case.pop("start"), case.pop("target")

    def loss(synthetic):
        return mttjax.match_loss(synthetic, *trees, **case)

    # Not through the arguments of eval_shape, which would refuse what is no array itself.
    evaluate = jax.eval_shape if how == "shapes" else (lambda function: function())
    evaluate(lambda: loss(synthetic))
    synthetic = jax.tree.map(jnp.asarray, synthetic)
    evaluate(lambda: jax.grad(loss, has_aux=True)(synthetic))
    return True


@st.composite
def device_cases(draw):
    usual = {"images": np.ones((N, SIDE, SIDE, 1)), "labels": np.ones((N, K)), "lr": 0.01}
    odd = arrays((N, SIDE, SIDE, 1)) | ANYTHING
    changes = {"images": odd, "labels": arrays((N, K)) | ANYTHING, "lr": arrays((3,)) | ANYTHING}
    return drawn_some(draw, usual, changes, most=3)


SMALL = st.integers(-2, 40) | st.sampled_from([2**31, 2**40, 10**30, 1.5, None, "3", True])


@st.composite
def batches_cases(draw):
    return drawn_some(
        draw, {"n": 10, "steps": 3, "batch": 5}, dict.fromkeys(("n", "steps", "batch"), SMALL)
    )


def sample(case):
    """Whole permutations, in range."""
    batches = np.asarray(mttjax.sample_batches(jax.random.key(0), **case))
    return batches.shape == (case["steps"], case["batch"]) and batches.max() < case["n"]


@st.composite
def initial_cases(draw):
    labels = np.arange(12) % K
    usual = {"ipc": 2, "images": np.zeros((12, 3, 3, 1), np.uint8), "labels": labels, "classes": K}
    changes = {
        "ipc": SMALL | ANYTHING,
        "images": arrays((12, 3, 3, 1)),
        "labels": arrays((12,)) | ANYTHING,
        "classes": SMALL | ANYTHING,
        "kind": st.sampled_from(["real", "noise", "", "Noise", None, 3]),
    }
    return drawn_some(draw, usual, changes)


def begin(case):
    """The images to begin with, and their labels."""
    first = initial_images(np.random.default_rng(0), **case)
    return len(first) == len(one_hot_labels(case["ipc"], case["classes"]))


@st.composite
def network_cases(draw):
    spec = {}
    for field in dataclasses.fields(NetworkSpec):
        known = st.sampled_from(getattr(field.type, "__args__", (1, 2, 8)))
        if draw(st.booleans()):
            spec[field.name] = draw(known | known | ANYTHING)
    size = st.sampled_from([0, 1, 2, 8, 28, 32, 1024, 10**9, 2**31, 2**40, -1, 1.5, None])
    usual = st.sampled_from([(8, 8, 1), (28, 28, 1), (32, 32, 3)])
    shape = draw(usual | st.tuples(size, size, size) | st.lists(size, max_size=5).map(tuple))
    return spec, shape, draw(st.sampled_from([2, 3, 10]) | size)


def network(case):
    """Its parameters' shapes."""
    spec, shape, classes = case
    made = make_network(NetworkSpec(**spec), shape, classes)
    return bool(jax.tree.leaves(jax.eval_shape(made.init, jax.random.key(0))))


@st.composite
def protocol_cases(draw):
    names = [field.name for field in dataclasses.fields(Protocol)]
    return drawn_some(draw, {}, dict.fromkeys(names, ANYTHING), most=3)


def evaluator(case):
    """What trains by a protocol."""
    net = make_network(NetworkSpec(depth=1, width=2), (4, 4, 1), 2)
    tests = {"test": (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int32))}
    preprocessing = Standardize(np.zeros(1, np.float32), np.ones(1, np.float32))
    return bool(Evaluator(net, preprocessing, (), tests, Protocol(**case)))


@st.composite
def settings_cases(draw):
    method = draw(st.sampled_from(sorted(KINDS)))
    value = Settings(method=method, distill=KINDS[method]())
    for _ in range(draw(st.integers(1, 3))):
        value = _changed(draw, value)
    return value


def _changed(draw, value):
    """A dataclass with one field, at any depth, replaced."""
    name = draw(st.sampled_from([field.name for field in dataclasses.fields(value)]))
    old = getattr(value, name)
    if dataclasses.is_dataclass(old) and draw(st.integers(0, 9)):
        return dataclasses.replace(value, **{name: _changed(draw, old)})
    kinds = [kind() for kind in KINDS.values()]
    return dataclasses.replace(value, **{name: draw(ANYTHING | TEXTS | st.sampled_from(kinds))})


def settings(case):
    """The settings, checked; what is checked can be written down."""
    check_settings(case)
    return bool(case.record())
