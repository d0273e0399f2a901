"""What the device itself can do under JAX: matrix products, copies, memory, a profile."""

import time

import jax
import jax.numpy as jnp

__all__ = ["Copy", "Device", "Matrix", "device_meter", "trace"]


def median_seconds(function, *arguments, count):
    jax.block_until_ready(function(*arguments))
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[count // 2]


class Matrix:
    """GFLOP/s of a square product."""

    def __init__(self, size, count, dtype="float32"):
        keys = jax.random.split(jax.random.key(0))
        self.pair = [jax.random.normal(key, (size, size), dtype) for key in keys]
        self.size, self.count, self.product = size, count, jax.jit(jnp.matmul)

    def __call__(self):
        seconds = median_seconds(self.product, *self.pair, count=self.count)
        return {"gflops": 2 * self.size**3 / seconds / 1e9}


class Copy:
    """GB/s, read and written, of going over an array once."""

    def __init__(self, gigabytes, count):
        self.array = jnp.zeros(int(gigabytes * 2**28), jnp.float32)
        self.count, self.copy = count, jax.jit(lambda x: x + 1)

    def __call__(self):
        seconds = median_seconds(self.copy, self.array, count=self.count)
        return {"gbytes": 2 * self.array.nbytes / seconds / 1e9}


class Device:
    """The name of what JAX computes on; None where an accelerator is wanted and there is none."""

    def __init__(self, device):
        found = jax.devices()[0]
        self.name = found.device_kind if (found.platform == "cpu") == (device == "cpu") else None

    def __call__(self):
        return {"name": self.name}


class DeviceMeter:
    """The peak of a device's memory since the process began: JAX cannot reset it."""

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
    return {"folder": folder}
