"""What the device itself can do under JAX: products, convolutions, memory, a profile."""

import time
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.convolution import convolve

__all__ = ["Convolution", "Matrix", "device_meter", "trace"]


def median_seconds(function, *arguments, count):
    jax.block_until_ready(function(*arguments))
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[count // 2]


class Matrix:
    """GFLOP/s of a square product in the ``precision`` of the options."""

    def __init__(self, work, options):
        shape, keys = (work.size, work.size), jax.random.split(jax.random.key(0))
        precision = options.get("precision", "float32")
        dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
        self.pair = [jax.random.normal(key, shape, dtype) for key in keys]
        self.work, self.product = work, jax.jit(partial(jnp.matmul, precision=precision))

    def __call__(self):
        seconds = median_seconds(self.product, *self.pair, count=self.work.count)
        gflops = 2 * self.work.size**3 / seconds / 1e9
        return {"gflops": gflops, "device": jax.devices()[0].device_kind}


class Convolution:
    """GFLOP/s of the three products of a 3×3 convolution, mttjax's and JAX's, in a compiled loop.

    In the loop everything a product reads depends on the round before, so that nothing can
    be moved out; and of what it makes one number is used, behind a barrier, so that nothing
    can be left out.
    """

    def __init__(self, work, _options):
        shape, kernel = (work.batch, work.side, work.side, work.channels), (3, 3, work.channels)
        keys, draw = jax.random.split(jax.random.key(0), 3), jax.random.normal
        self.x, self.y = (draw(key, shape) for key in keys[:2])
        self.w, self.work = draw(keys[2], (*kernel, work.channels)), work
        self.ways = {
            "mttjax, in a loop": self._products(partial(convolve, padding=1), work.count),
            "lax and autodiff, in a loop": self._products(lax_convolve, work.slow_count),
        }

    def _products(self, convolution, count):
        """name -> the loop over a product, what it reads, and how often it computes it."""
        x, w, y = self.x, self.w, self.y
        by_input = lambda w, y: jax.vjp(lambda x: convolution(x, w), jnp.zeros_like(x))[1](y)[0]
        by_weight = lambda x, y: jax.vjp(lambda w: convolution(x, w), jnp.zeros_like(w))[1](y)[0]
        return {
            "forward": (in_loop(convolution, count), (x, w), count),
            "input gradient": (in_loop(by_input, count), (w, y), count),
            "weight gradient": (in_loop(by_weight, count), (x, y), count),
        }

    def __call__(self):
        return {
            "gflops": {
                way: {
                    name: count * self.work.flops / median_seconds(loop, *read, count=1) / 1e9
                    for name, (loop, read, count) in products.items()
                }
                for way, products in self.ways.items()
            }
        }


def lax_convolve(x, w):
    """What automatic differentiation is left to itself with."""
    return lax.conv_general_dilated(
        x, w, (1, 1), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def in_loop(product, count):
    """``count`` times the product, each on operands that the last has touched."""

    def body(_, read):
        made = lax.optimization_barrier(product(*read))
        touch = 1e-30 * made[(0,) * made.ndim]
        return tuple(a.at[(0,) * a.ndim].add(touch) for a in read)

    return jax.jit(lambda *read: lax.fori_loop(0, count, body, read))


class DeviceMeter:
    """The peak of a device's memory since the process began: JAX cannot set it back."""

    def read(self):
        peak = jax.devices()[0].memory_stats()["peak_bytes_in_use"]
        return {"bytes": peak, "since_start": True}


def device_meter():
    """The device's meter; None where the host's memory is the device's."""
    return DeviceMeter() if jax.devices()[0].memory_stats() else None


def trace(task, folder):
    """Runs a task under JAX's profiler."""
    with jax.profiler.trace(folder):
        task()
