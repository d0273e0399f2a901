"""What the device is and can do: versions, products, a copy, convolutions alone and in groups."""

import importlib.metadata
import os
import subprocess
from functools import partial

import jax
import jax.numpy as jnp

from benchmarks.jax_device import Matrix as Product
from benchmarks.jax_device import in_loop
from benchmarks.short.recording import seconds_of
from benchmarks.works import Convolution, Matrix
from mttjax.core.convolution import convolve
from mttjax.system.memory import device_memory

__all__ = ["PRECISIONS", "run"]

PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch")


def run(record, tiny):
    """See ``benchmarks.short``."""
    facts(record)
    for precision in PRECISIONS:
        with record.attempt(f"product {precision}"):
            product = Product(Matrix(128 if tiny else 8192, 5), {"precision": precision})
            record(f"product {precision}", gflops=product()["gflops"])
    with record.attempt("copy"):
        x = jnp.ones((2**16 if tiny else 2**28,), jnp.float32)
        seconds = seconds_of(partial(jax.jit(lambda x: x + 1), x))
        record("copy", gigabytes_per_second=2 * x.nbytes / seconds / 1e9)
    for precision in PRECISIONS[:2]:
        for batch in (2,) if tiny else (10, 100, 256):
            convolution(record, precision, work_of(batch, tiny))
    for groups in (2,) if tiny else (5, 10):
        grouped(record, groups, work_of(2 if tiny else 100, tiny))


def facts(record):
    """Versions, devices and flags."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    found = jax.devices()
    about = {"device": f"{len(found)} × {found[0].device_kind}", "memory": device_memory()}
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm", "--format=csv,noheader"]
        about["driver"] = subprocess.check_output(asked, text=True, timeout=10).strip()
    except (OSError, subprocess.SubprocessError):
        about["driver"] = "not told"
    record("machine", **versions, **about, xla_flags=os.environ.get("XLA_FLAGS", ""))


def work_of(batch, tiny):
    return Convolution(batch, 4, 8, 3) if tiny else Convolution(batch, 16, 128, 50)


def operands(work, *groups):
    x, w = jax.random.split(jax.random.key(0))
    images = jax.random.normal(x, (*groups, work.batch, work.side, work.side, work.channels))
    return images, jax.random.normal(w, (*groups, 3, 3, work.channels, work.channels))


def convolution(record, precision, work):
    """GFLOP/s of the three products of a convolution in a loop."""
    x, w = operands(work)
    one = partial(convolve, padding=1)
    ways = {
        "forward": (one, (x, w)),
        "input gradient": (lambda y, w: jax.vjp(lambda x: one(x, w), x)[1](y)[0], (x, w)),
        "weight gradient": (lambda x, y: jax.vjp(lambda w: one(x, w), w)[1](y)[0], (x, x)),
    }
    name = f"convolution B {work.batch} {precision}"
    with record.attempt(name), jax.default_matmul_precision(precision):
        speeds = {
            f"{way}_gflops": work.count * work.flops / seconds_of(partial(loop, *read), 3) / 1e9
            for way, (product, read) in ways.items()
            for loop in (in_loop(product, work.count),)
        }
        record(name, **speeds)


def grouped(record, groups, work):
    """The convolutions of several networks: one that is grouped, against one after another."""
    one = partial(convolve, padding=1)
    ways = {
        "grouped": jax.vmap(one),
        "separate": lambda x, w: jnp.stack([one(x[g], w[g]) for g in range(groups)]),
    }
    x, w = operands(work, groups)
    gradient = lambda product: jax.grad(lambda w, x: jnp.sum(product(x, w) ** 2))
    name = f"convolutions of {groups} networks B {work.batch}"
    with record.attempt(name):
        found = {}
        for way, product in ways.items():
            flops = work.count * groups * work.flops
            loop = in_loop(product, work.count)
            found[f"{way}_forward_gflops"] = flops / seconds_of(partial(loop, x, w), 3) / 1e9
            slope = jax.jit(gradient(product))
            found[f"{way}_weight_gradient_seconds"] = seconds_of(partial(slope, w, x), 3)
        record(name, **found)
