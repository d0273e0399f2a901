"""What is done in threads: several networks at once, and writing behind the work.

A program of small operations leaves cores idle. Several of them, each in a thread of
its own, share the cores better than one program over all networks; and as each runs
as it would alone, the results do not depend on how many run at once, nor on how many devices.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Generic, Self, TypeVar

import jax

__all__ = ["Behind", "Copies", "at_once", "cores", "in_threads"]

T = TypeVar("T")


def at_once() -> int:
    """How many networks to train at once: one per core on a CPU, else one per device.

    A single one fills an accelerator: on an H100 five in a ``vmap`` took five times as long as one,
    at ten images a step already, and the compiler tries out grouped convolutions for minutes.
    """
    devices = jax.local_device_count()
    return max(cores(), devices) if jax.default_backend() == "cpu" else devices


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    function: Callable[..., Any],
    *arguments: Iterable[Any],
    workers: int | None = None,
    devices: Sequence[jax.Device] = (),
) -> list[Any]:
    """``list(map(function, *arguments))``, ``workers`` at a time; None: as many as cores.

    What interrupts the caller does not wait for the threads: they end with their call.

    Args:
      function: what computes.
      arguments: of each call.
      workers: how many at a time, on all devices together.
      devices: call i computes on device i modulo their number, with arrays that are committed to
        no other, and on each as many at a time as on another. None, or a single one: where JAX
        computes anyhow.
    """
    workers, count = workers or cores(), max(1, len(devices))
    pools = [
        ThreadPoolExecutor(max(1, -(-workers // count)), thread_name_prefix="network")
        for _ in range(count)
    ]

    def on(device, *given):
        with jax.default_device(device):
            return function(*given)

    try:
        tasks = [
            pools[i % count].submit(on, devices[i % count], *given)
            if count > 1
            else pools[0].submit(function, *given)
            for i, given in enumerate(zip(*arguments, strict=False))
        ]
        results = [task.result() for task in tasks]
    except BaseException:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        raise
    for pool in pools:
        pool.shutdown()
    return results


class Copies(Generic[T]):
    """Something of every device: made, or copied there, where it is first asked for.

        data = Copies(lambda: jax.device_put(images))
        in_threads(lambda key: train(key, data.here()), keys, devices=jax.local_devices())

    Args:
      make: what makes it, where JAX computes at that moment.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._made, self._one = make, dict[Any, T](), Lock()

    def here(self) -> T:
        """That of the device that ``in_threads`` computes on."""
        device = jax.config.jax_default_device  # type: ignore[attr-defined]
        with self._one:
            if device not in self._made:
                self._made[device] = self._make()
        return self._made[device]


class Behind:
    """A thread that works behind its caller, one task at a time; none of their errors is lost.

    An error of a task is raised by whoever waits for it next: a call that hands over another,
    ``wait``, or the end of the block, which no task outlives.

        with Behind("saving") as behind:
            behind.do(write, state)
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._task: Future[Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def do(self, function: Callable[..., object], *arguments: Any) -> None:
        """Has ``function(*arguments)`` called, when the task before is done."""
        self.wait()
        self._task = self._pool.submit(function, *arguments)

    def wait(self) -> None:
        """Until the task that was handed over last is done."""
        task, self._task = self._task, None
        if task is not None:
            task.result()
