"""Training networks: an expert's epoch, an evaluation, and what both need of larger images."""

import time
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks import works
from benchmarks.jax_side import half, network_of
from benchmarks.rows import CIFAR, LARGE
from benchmarks.short.recording import seconds_of
from benchmarks.works import DSA, LR, Net, distilled, real
from mttjax.core.augmentation import dsa
from mttjax.core.training import (
    TRAINING_TILE,
    TrainState,
    accuracy,
    fitting_test_chunk,
    make_epoch,
    sgd,
)

__all__ = ["run_evaluation", "run_experts", "run_memory"]

SMALL = Net((16, 16, 3), 3, 2, 8)


def precisions(tiny):
    return ("tensorfloat32",) if tiny else ("tensorfloat32", "float32")


def run_experts(record, tiny):
    """An expert's epoch."""
    net, images = (SMALL, 40) if tiny else (CIFAR, 10_000)
    data = tuple(map(jnp.asarray, real(net, images, 0)))
    for precision in precisions(tiny):
        network, epoch = expert_epoch(net, {"precision": precision}, 16 if tiny else 256)
        one = lambda state, key, *data, epoch=epoch: epoch(state, key, *data, LR)[0]
        work = works.Training(net, 1, images, 0)
        time_one(record, precision, network, sgd(), one, data, work)


def run_evaluation(record, tiny):
    """A network trained on 1 and on 10 images per class; testing is left out."""
    net, epochs = (SMALL, 2) if tiny else (CIFAR, 300)
    optimiser = sgd(momentum=0.9, weight_decay=5e-4)
    for precision in precisions(tiny):
        network = network_of(net, {"precision": precision}, TRAINING_TILE)
        epoch = make_epoch(
            network.apply,
            optimiser,
            prepare=lambda images, labels: (images, labels),
            augment=partial(dsa, ops=DSA),
            batch=256,
        )

        def one(state, key, images, labels, epoch=epoch):
            step = lambda i, state: epoch(state, jax.random.fold_in(key, i), images, labels, LR)[0]
            return lax.fori_loop(0, epochs, step, state)

        for ipc in (1,) if tiny else (1, 10):
            data = tuple(map(jnp.asarray, distilled(net, ipc)))
            name, work = f"IPC {ipc}, {precision}", works.Evaluation(net, ipc, epochs, 0, 1)
            time_one(record, name, network, optimiser, one, data, work)


def expert_epoch(net, options, batch):
    """(the network, its epoch on pixels)."""
    network, normal = network_of(net, options, TRAINING_TILE), half(net, 0.25)
    epoch = make_epoch(
        network.apply,
        sgd(),
        prepare=lambda x, y: (normal(x), jax.nn.one_hot(y, net.classes)),
        augment=partial(dsa, ops=DSA),
        batch=batch,
    )
    return network, epoch


def time_one(record, name, network, optimiser, one, data, work):
    """``one(state, key, *data) -> state`` for one network, which fills a card."""
    params = network.init(jax.random.key(0))
    state = TrainState(params, jax.tree.map(jnp.zeros_like, optimiser.init(params)))
    with record.attempt(name):
        started = time.perf_counter()
        compiled = jax.jit(one).lower(state, jax.random.key(1), *data).compile()
        compiling = time.perf_counter() - started
        seconds = seconds_of(partial(compiled, state, jax.random.key(1), *data), 3)
        memory = compiled.memory_analysis()
        record(
            name,
            compile_seconds=compiling,
            seconds=seconds,
            gflops=work.flops / seconds / 1e9,
            temporaries_mb=memory.temp_size_in_bytes / 1e6 if memory else None,
        )


def run_memory(record, tiny):
    """What programs for larger images need, compiled and not run."""
    larger = {"64 px": Net((64, 64, 3), 200, 4), "128 px": LARGE}
    for name, net in ({"16 px": SMALL} if tiny else larger).items():
        network, epoch = expert_epoch(net, {}, 256)
        chunk = fitting_test_chunk(network)
        test = partial(accuracy, network.apply, half(net, 0.25).__call__, chunk=chunk)
        state = TrainState(network.shapes, jax.eval_shape(sgd().init, network.shapes))
        key = jax.eval_shape(lambda: jax.random.key(0))
        images = jax.ShapeDtypeStruct((2000, *net.image), jnp.uint8)
        data = images, jax.ShapeDtypeStruct((2000,), jnp.int32)
        train = partial(epoch, lr=LR)
        programs = {
            "experts, an epoch": (train, (state, key, *data)),
            "experts, a test": (test, (network.shapes, *data)),
        }
        for kind, (function, arguments) in programs.items():
            with record.attempt(f"{name}, {kind}"):
                compiled = jax.jit(function).lower(*arguments).compile()
                temporaries = compiled.memory_analysis().temp_size_in_bytes / 1e6
                record(f"{name}, {kind}", images_at_once=chunk, temporaries_mb=temporaries)
