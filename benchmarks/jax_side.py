"""mttjax's half of every comparison, called as its users and commands call it."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
from jax import lax

from benchmarks import jax_device, works
from benchmarks.jax_device import device_meter, trace
from benchmarks.jax_host_work import HostWork
from benchmarks.works import DSA, LR, distilled, matching, real
from mttjax.config.protocol import Protocol
from mttjax.core.augmentation import OPERATIONS, dsa
from mttjax.core.networks import NetworkSpec, make_network, parameter_count
from mttjax.core.preprocessing import Standardize
from mttjax.core.synthetic import make_synthetic
from mttjax.core.training import (
    STUDENT_TILE,
    TRAINING_TILE,
    cache_chunk,
    divisor_up_to,
    fitting_tile,
    sgd,
)
from mttjax.datasets.dataset import Dataset, Split
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state
from mttjax.evaluation.evaluator import Evaluator
from mttjax.experts.trainer import Trainer

__all__ = ["device_meter", "make", "trace"]


def make(work, options):
    """The task: called without arguments, it returns when its work is done."""
    return TASKS[type(work)](work, options)


def network_of(net, options, tile):
    """In the ``precision`` of the options, float32 where they have none; ``tile`` is a CPU's."""
    spec = NetworkSpec(
        depth=net.depth, width=net.width, precision=options.get("precision", "float32")
    )
    return make_network(spec, net.image, net.classes, tile=fitting_tile(tile))


def by_switch(key, images):
    """``dsa`` with a switch on every device: the same draws."""
    which_key, key = jax.random.split(key)
    branches = [partial(OPERATIONS[op], draws=len(images)) for op in DSA]
    which = jax.random.randint(which_key, (), 0, len(DSA))
    return lax.switch(which, branches, key, images)


class Distillation:
    """Outer steps, each from a fresh key; what they need of memory is said without a call.

    Options: ``derivative``; ``trajectories``, how many pairs a step has; ``switch``.
    """

    def __init__(self, work, options):
        net, network = work.net, network_of(work.net, options, STUDENT_TILE)
        pairs = options.get("trajectories", 1)
        settings = replace(matching(work, options.get("derivative", "mixed")), trajectories=pairs)
        augment = None
        if work.dsa:
            augment = by_switch if options.get("switch") else partial(dsa, ops=DSA)
        chunk = divisor_up_to(work.batch, cache_chunk(net.image, jax.default_backend()))
        step = make_outer_step(network.apply, augment, settings, work.ipc * net.classes, chunk)
        synthetic = make_synthetic(*distilled(net, work.ipc), LR)
        start, target, self.key = jax.random.split(jax.random.key(0), 3)
        self.pair = tuple(
            jax.vmap(network.init)(jax.random.split(key, pairs)) for key in (start, target)
        )
        self.state, self.done = initial_state(synthetic, matching_optimiser(settings)), 0
        lowered = jax.jit(step, donate_argnums=0).lower(self.state, self.pair, self.key)
        self.compiled = lowered.compile()
        memory = self.compiled.memory_analysis()
        self.about = {
            "temporaries": memory.temp_size_in_bytes if memory else None,
            "parameters": 4 * parameter_count(network.shapes),
        }

    def __call__(self):
        key = jax.random.fold_in(self.key, self.done)
        self.state, record = self.compiled(self.state, self.pair, key)
        self.done += 1
        jax.block_until_ready(self.state)
        return {"check": float(record.loss)}


class Training:
    """Epochs and tests of all experts at once, as ``train_experts`` has them trained."""

    def __init__(self, work, options):
        net, network = work.net, network_of(work.net, options, TRAINING_TILE)
        none = Split(np.zeros((0, *net.image), np.uint8), np.zeros(0, np.int32))
        train, test = (Split(*real(net, n, seed=n)) for n in (work.images, work.tests))
        dataset = Dataset("random", tuple(map(str, range(net.classes))), train, none, test)
        self.trainer = Trainer(network, half(net, 0.25), DSA, sgd(), work.batch, dataset)
        self.keys = list(jax.random.split(jax.random.key(0), work.experts))
        self.states = [self.trainer.state(network.init(key)) for key in self.keys]

    def __call__(self):
        after = self.trainer.epochs(self.states, self.keys, LR)
        self.states = [trained.state for trained in after]
        return {"check": float(after[0].seen.loss)}


class Evaluation:
    """An ``Evaluator`` that scores a set of random images."""

    def __init__(self, work, options):
        net = work.net
        self.data = distilled(net, work.ipc)
        tests = {"test": real(net, work.tests, seed=1)}
        protocol = Protocol(networks=work.networks, epochs=work.epochs)
        network = network_of(net, options, TRAINING_TILE)
        self.evaluator = Evaluator(network, half(net, 0.5), DSA, tests, protocol)
        self.done = 0

    def __call__(self):
        self.done += 1
        return {"check": self.evaluator(*self.data, LR, seed=self.done)["test"].mean}


def half(net, std):
    """Standardised about one half, in every channel."""
    return Standardize(*(np.full(net.image[2], x, np.float32) for x in (0.5, std)))


TASKS = {
    works.Convolution: jax_device.Convolution,
    works.Distillation: Distillation,
    works.Evaluation: Evaluation,
    works.HostWork: HostWork,
    works.Matrix: jax_device.Matrix,
    works.Training: Training,
}
