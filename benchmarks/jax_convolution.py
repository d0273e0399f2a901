"""One convolution over and over, in a compiled loop and alone.

In the loop everything a convolution reads depends on the round before, so that nothing
can be moved out; and of what it makes one number is used, behind a barrier, so that
nothing can be left out.
"""

import time

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.convolution import convolve

__all__ = ["Convolution", "operands", "products"]


def lax_convolve(x, w):
    """What automatic differentiation is left to itself with."""
    return lax.conv_general_dilated(
        x, w, (1, 1), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def our_convolve(x, w):
    return convolve(x, w, padding=1)


def products(convolution):
    """name -> the product and which two of (x, w, y) it reads."""

    def by_input(w, y):
        shape = (*y.shape[:3], w.shape[2])
        return jax.vjp(lambda x: convolution(x, w), jnp.zeros(shape, y.dtype))[1](y)[0]

    def by_weight(x, y):
        shape = (3, 3, x.shape[3], y.shape[3])
        return jax.vjp(lambda w: convolution(x, w), jnp.zeros(shape, y.dtype))[1](y)[0]

    return {
        "forward": (convolution, "xw"),
        "input gradient": (by_input, "wy"),
        "weight gradient": (by_weight, "xy"),
    }


def operands(batch, side, channels):
    """x [B, H, W, C], w [3, 3, C, C] and y like x."""
    shapes = {
        "x": (batch, side, side, channels),
        "w": (3, 3, channels, channels),
        "y": (batch, side, side, channels),
    }
    return {
        name: jax.random.normal(jax.random.key(i), shape)
        for i, (name, shape) in enumerate(shapes.items())
    }


def in_loop(product, count):
    """``count`` times the product, each on operands that the last has touched."""

    def body(_, read):
        made = lax.optimization_barrier(product(*read))
        touch = 1e-30 * made[(0,) * made.ndim]
        return tuple(a.at[(0,) * a.ndim].add(touch) for a in read)

    return jax.jit(lambda *read: lax.fori_loop(0, count, body, read))


def alone(product, count):
    compiled = jax.jit(product)

    def run(*read):
        for _ in range(count):
            made = compiled(*read)
        return made

    return run


class Convolution:
    """GFLOP/s of every product in every way.

    Args:
      batch, side, channels: of the images.
      count: rounds of a loop.
      slow_count: rounds of the loop that automatic differentiation is left to.
    """

    def __init__(self, batch, side, channels, count, slow_count):
        self.data = operands(batch, side, channels)
        self.flops = 2 * 9 * channels**2 * side**2 * batch
        self.ways = {
            "mttjax, in a loop": (our_convolve, in_loop, count),
            "lax and autodiff, in a loop": (lax_convolve, in_loop, slow_count),
            "mttjax, alone": (our_convolve, alone, count),
            "lax and autodiff, alone": (lax_convolve, alone, count),
        }
        self.compiled = {}

    def __call__(self):
        return {
            "gflops": {
                way: {
                    name: self._speed(way, name, way_of(product, count), read, count)
                    for name, (product, read) in products(convolution).items()
                }
                for way, (convolution, way_of, count) in self.ways.items()
            }
        }

    def _speed(self, way, name, run, read, count):
        read = [self.data[letter] for letter in read]
        if (way, name) not in self.compiled:
            self.compiled[way, name] = run
            jax.block_until_ready(run(*read))
        begin = time.perf_counter()
        jax.block_until_ready(self.compiled[way, name](*read))
        return count * self.flops / (time.perf_counter() - begin) / 1e9
