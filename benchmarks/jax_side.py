"""mttjax's half of every comparison, called as its users and commands call it."""

import tempfile
from functools import partial

import jax
import numpy as np

from benchmarks.jax_convolution import Convolution
from benchmarks.jax_device import Copy, Device, Matrix, device_meter, trace
from benchmarks.synthetic_data import DSA, LR, distilled, real
from benchmarks.works import work_from
from mttjax.config.methods import Matching
from mttjax.config.protocol import Protocol
from mttjax.config.recipe import Recipe
from mttjax.core.augmentation import dsa
from mttjax.core.networks import NetworkSpec, make_network, parameter_count
from mttjax.core.preprocessing import Standardize
from mttjax.core.synthetic import make_synthetic
from mttjax.core.training import cache_chunk, divisor_up_to
from mttjax.datasets import Dataset, Split
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state
from mttjax.evaluation import evaluator as evaluating
from mttjax.evaluation.evaluator import Evaluator
from mttjax.experts import training as experts
from mttjax.experts.training import train_experts
from mttjax.system import threads as parallel

__all__ = ["device_meter", "make", "trace"]


def make(kind, work, options):
    """The task ``kind``: called without arguments, it returns when its work is done."""
    if "precision" in options:
        jax.config.update("jax_default_matmul_precision", options["precision"])
    if "at_once" in options:
        networks_at_once(options["at_once"])
    if kind in OTHERS:
        return OTHERS[kind](**work)
    return TASKS[kind](work_from(kind, work), options)


def networks_at_once(way):
    """Chooses for this process what mttjax otherwise chooses by the backend."""
    if way == "in turn":
        parallel.in_threads.__kwdefaults__["workers"] = 1
    experts.in_one_program = evaluating.in_one_program = lambda: way == "one vmap"


def network_of(net):
    spec = NetworkSpec(depth=net.depth, width=net.width)
    return make_network(spec, net.image, net.classes)


class Distillation:
    """Outer steps, each from a fresh key."""

    def __init__(self, work, options):
        step, like = outer_step(work, options.get("derivative", "mixed"))
        state, pair, key = like(concrete=True)
        self.compiled = jax.jit(step, donate_argnums=0).lower(state, pair, key).compile()
        self.state, self.pair, self.key, self.done = state, pair, key, 0
        self.about = {"temporaries": temporaries(self.compiled)}

    def __call__(self):
        key = jax.random.fold_in(self.key, self.done)
        self.state, record = self.compiled(self.state, self.pair, key)
        self.done += 1
        jax.block_until_ready(self.state)
        return {"check": float(record.loss)}


def outer_step(work, derivative):
    """The step's function, and its arguments: ``like(concrete)``."""
    net = work.net
    network = network_of(net)
    matching = Matching(
        student_steps=work.steps,
        batch=work.batch,
        lr_img=1.0,
        lr_lr=1e-3,
        lr=LR,
        derivative=derivative,
    )
    augment = partial(dsa, ops=DSA) if work.dsa else None
    chunk = divisor_up_to(work.batch, cache_chunk(net.image, jax.default_backend()))
    step = make_outer_step(network.apply, augment, matching, work.ipc * net.classes, chunk)

    def arguments():
        keys = jax.random.split(jax.random.key(0), 3)
        synthetic = make_synthetic(*distilled(net, work.ipc), LR)
        state = initial_state(synthetic, matching_optimiser(matching))
        start, target = (
            jax.tree.map(lambda x: x[None], network.init(key)) for key in (keys[0], keys[1])
        )
        return state, (start, target), keys[2]

    return step, lambda concrete: arguments() if concrete else jax.eval_shape(arguments)


def temporaries(compiled):
    """Bytes that a compiled program works in; None where the backend does not say."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes if memory else None


class Temporaries:
    """What the compiled step says of its memory; it is not run."""

    def __init__(self, derivative, **work):
        self.work, self.derivative = work_from("Distillation", work), derivative

    def __call__(self):
        step, like = outer_step(self.work, self.derivative)
        arguments = like(concrete=False)
        compiled = jax.jit(step, donate_argnums=0).lower(*arguments).compile()
        parameters = 4 * parameter_count(arguments[1][0])
        return {"temporaries": temporaries(compiled), "parameters": parameters}


class Training:
    """``train_experts`` for two epochs, the second of which is timed: it compiles in the first."""

    def __init__(self, work, options):
        net = work.net
        none = Split(np.zeros((0, *net.image), np.uint8), np.zeros(0, np.int32))
        train, test = (Split(*real(net, n, seed=n)) for n in (work.images, work.tests))
        names = tuple(map(str, range(net.classes)))
        self.dataset = Dataset("random", names, train, none, test)
        spec = NetworkSpec(depth=net.depth, width=net.width)
        self.recipe = Recipe(spec, "standardize", DSA, lr=LR, batch=work.batch)
        self.experts = work.experts
        self.parallel = 1 if options.get("at_once") == "in turn" else work.experts
        # Later calls find what the first compiled.
        self.cache = tempfile.TemporaryDirectory()
        jax.config.update("jax_compilation_cache_dir", self.cache.name)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

    def __call__(self):
        with tempfile.TemporaryDirectory() as folder:
            store = train_experts(
                self.dataset,
                self.recipe,
                folder,
                experts=self.experts,
                epochs=2,
                parallel=self.parallel,
                log=lambda _: None,
            )
            first, second = (self._written(store, epoch) for epoch in (1, 2))
            check = store.manifest["experts"]["0000"]["epochs"][2]["loss"]
        groups = -(-self.experts // self.parallel)  # one after another; the last is timed
        return {"seconds": groups * (second - first), "check": check}

    def _written(self, store, epoch):
        """When the last expert had done an epoch."""
        paths = (store.snapshot_path(expert, epoch) for expert in range(self.experts))
        return max(path.stat().st_mtime_ns for path in paths) / 1e9


class Evaluation:
    """An ``Evaluator`` that scores a set of random images."""

    def __init__(self, work, options):
        net = work.net
        self.data = distilled(net, work.ipc)
        half = np.full(net.image[2], 0.5, np.float32)
        self.evaluator = Evaluator(
            network_of(net),
            Standardize(half, half),
            DSA,
            {"test": real(net, work.tests, seed=1)},
            Protocol(networks=work.networks, epochs=work.epochs),
        )
        self.done = 0

    def __call__(self):
        self.done += 1
        return {"check": self.evaluator(*self.data, LR, seed=self.done)["test"].mean}


TASKS = {"Distillation": Distillation, "Training": Training, "Evaluation": Evaluation}
OTHERS = {
    "convolution": Convolution,
    "copy": Copy,
    "device": Device,
    "matrix": Matrix,
    "temporaries": Temporaries,
}
