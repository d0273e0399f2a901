"""What is done in threads: several networks at once on a CPU, and writing behind the work.

A program of small operations leaves cores idle. Several of them, each in a thread of
its own, share the cores better than one program over all networks; and as each runs
as it would alone, the results do not depend on how many run at once.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import jax

__all__ = ["Behind", "at_once", "cores", "in_threads"]


def at_once() -> int:
    """How many networks to train at once: one per core on a CPU, each in a thread.

    A single one fills an accelerator: on an H100 five in a ``vmap`` took five times as long as one,
    at ten images a step already, and the compiler tries out grouped convolutions for minutes.
    """
    return cores() if jax.default_backend() == "cpu" else 1


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(
    function: Callable[..., Any], *arguments: Iterable[Any], workers: int | None = None
) -> list[Any]:
    """``list(map(function, *arguments))``, ``workers`` at a time; None: as many as cores.

    What interrupts the caller does not wait for the threads: they end with their call.
    """
    pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="network")
    try:
        results = list(pool.map(function, *arguments))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return results


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
