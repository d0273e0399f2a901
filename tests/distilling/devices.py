"""Run by ``test_devices.py``: prints, by case, whether several devices give the bits of one."""

import json
import sys
from unittest import mock

import jax

jax.config.update("jax_num_cpu_devices", 4)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from small import PROTOCOL, small_dataset, small_set  # noqa: E402

from mttjax.config.methods import MTT  # noqa: E402
from mttjax.core.networks import make_network  # noqa: E402
from mttjax.core.synthetic import make_synthetic  # noqa: E402
from mttjax.core.training import sgd  # noqa: E402
from mttjax.distilling.mtt import mtt  # noqa: E402
from mttjax.evaluation.evaluator import Evaluator  # noqa: E402
from mttjax.experts.trainer import Trainer  # noqa: E402

DATASET, SET, DEVICES = small_dataset(), small_set(2), jax.local_devices()
NETWORK = make_network(SET.network, (8, 8, 1), 3)
KEYS = jax.random.split(jax.random.key(5), 4)
lines = []


def steps(devices):
    """State and record after three steps of four trajectories."""
    start = jax.tree.map(lambda *x: np.stack(x), *map(NETWORK.init, KEYS))
    pairs = start, jax.tree.map(lambda x: x + 0.1 * np.cos(9 * x), start)
    settings = MTT(student_steps=3, batch=3, lr_img=5.0, trajectories=4, devices=devices)
    synthetic = make_synthetic(jnp.asarray(SET.images), SET.labels, SET.lr)
    how = {"apply": NETWORK.apply, "augment": None, "settings": settings}
    method = mtt(synthetic, mock.Mock(), **how)
    step = method.compile(method.initial, pairs, KEYS[0], lines.append)
    state = method.initial
    for index in range(3):
        state, record = step(state, pairs, KEYS[0], index)
    return state, record


def accuracies():
    """What two networks that were trained on a set get right."""
    evaluator = Evaluator(NETWORK, SET.preprocessing, (), {"test": DATASET.test}, PROTOCOL)
    return evaluator(SET.images, SET.labels, SET.lr, seed=0)["test"].correct


def experts():
    """Four of them, after two epochs."""
    trainer = Trainer(NETWORK, SET.preprocessing, (), sgd(), 15, DATASET)
    states = [trainer.state(NETWORK.init(key)) for key in KEYS]
    for _ in range(2):
        trained = trainer.epochs(states, KEYS, 0.1)
        states = [one.state for one in trained]
    places = {device for state in states for device in jax.tree.leaves(state)[0].devices()}
    assert places == set(jax.local_devices())
    return states, [one.test_accuracy for one in trained]


def same(a, b):
    leaves = (jax.tree.leaves(jax.tree.map(np.asarray, tree)) for tree in (a, b))
    return all(x.tobytes() == y.tobytes() for x, y in zip(*leaves, strict=True))


def on(count, work):
    with mock.patch("jax.local_devices", return_value=DEVICES[:count]):
        return work()


found = {}
alone = {work: on(1, work) for work in (accuracies, experts)}
one = steps(1)
for count in ("all", *((2, 3) if "--all" in sys.argv else ())):
    found[f"steps on {count}"] = same(steps(count), one)
found["the line"] = "4 trajectories a step on 4 devices" in lines
for work, bits in alone.items():
    found[work.__name__] = same(on(2, work), bits)
print(json.dumps(found))
