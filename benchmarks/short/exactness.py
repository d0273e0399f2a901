"""How exact the device is in each precision: convolutions and the meta-gradient against float64.

The float64 values are computed by the CPU in the same process.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.short.device import PRECISIONS
from mttjax.core.convolution import convolve
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches

__all__ = ["run"]

DISTURBANCES = (1e-7, 1e-6, 1e-5, 1e-4)
"""Relative, of the parameters that a student starts from."""


def run(record, tiny):
    """See ``benchmarks.short``."""
    width, side, steps = (8, 8, 2) if tiny else (128, 16, 10)
    with record.attempt("convolution"):
        convolutions(record, width, side)
    for activation in ("relu", "sigmoid"):
        with record.attempt(activation):
            meta_gradient(record, activation, width, 2 * side, steps)


def in_float64(function, *arguments):
    """What ``function`` gives on the CPU, from the arguments in float64."""
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        double = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), arguments)
        return jax.tree.map(np.asarray, jax.jit(function)(*double))


def error(found, exact):
    """The relative error of flat arrays in the norm."""
    found = np.asarray(found, np.float64)
    return float(np.linalg.norm((found - exact).ravel()) / np.linalg.norm(exact.ravel()))


def convolutions(record, width, side):
    """Of a convolution, its two gradients, and a derivative of the gradient."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape, np.float32)
    x, w = draw(10, side, side, width), draw(3, 3, width, width) / width
    y, dw = draw(10, side, side, width), draw(3, 3, width, width)
    forward = lambda x, w, y, dw: convolve(x, w, padding=1)
    loss = lambda x, w, y: jnp.sum(y * convolve(x, w, padding=1) ** 2)
    ways = {
        "forward": forward,
        "input gradient": lambda x, w, y, dw: jax.grad(loss)(x, w, y),
        "weight gradient": lambda x, w, y, dw: jax.grad(loss, 1)(x, w, y),
        "second derivative": lambda x, w, y, dw: jax.jvp(
            lambda w: jax.grad(loss)(x, w, y), (w,), (dw,)
        )[1],
    }
    for name, way in ways.items():
        exact, errors = in_float64(way, x, w, y, dw), {}
        for precision in PRECISIONS:
            dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
            with jax.default_matmul_precision(precision):
                found = jax.jit(way)(*(jnp.asarray(a, dtype) for a in (x, w, y, dw)))
            errors[precision] = error(found.astype(jnp.float32), exact)
        record(f"convolution, {name}", **errors)


def meta_gradient(record, activation, width, side, steps):
    """Of the loss by the images, at 1 image per class."""
    networks = {
        precision: make_network(
            NetworkSpec(width=width, activation=activation, precision=precision),
            (side, side, 3),
            10,
        )
        for precision in PRECISIONS
    }
    keys = jax.random.split(jax.random.key(0), 3)
    start, target = (networks["float32"].init(key) for key in keys[:2])
    images = jax.random.normal(keys[2], (10, side, side, 3))
    synthetic = Synthetic(images, jnp.eye(10), jnp.log(jnp.float32(0.02)))
    batches = np.asarray(sample_batches(keys[2], 10, steps, 10))

    def gradient(network):
        def slope(synthetic, start, target):
            loss = lambda s: match_loss(s, start, target, apply=network.apply, batches=batches)[0]
            return jax.grad(loss)(synthetic).images

        return slope

    exact = in_float64(gradient(networks["float32"]), synthetic, start, target)
    errors = {
        precision: error(jax.jit(gradient(network))(synthetic, start, target), exact)
        for precision, network in networks.items()
    }
    for size in DISTURBANCES:  # what roundings of a start cost, wherever they come from
        off = jax.tree.map(lambda x, size=size: x * (1 + size * jnp.cos(1e4 * x)), start)
        found = jax.jit(gradient(networks["float32"]))(synthetic, off, target)
        errors[f"start off by {size:g}"] = error(found, exact)
    record(f"gradient of match_loss, {activation}, S = {steps}", **errors)
