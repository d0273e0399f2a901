"""Several networks at once: on a CPU one compiled program in several threads.

A program of small operations leaves cores idle. Several of them, each in a thread of
its own, share the cores better than one program over all networks; and as each runs
as it would alone, the results do not depend on how many run at once.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax

__all__ = ["cores", "in_one_program", "in_threads"]


def in_one_program() -> bool:
    """Whether several networks are faster in one ``vmap`` than in threads: not on a CPU."""
    return jax.default_backend() != "cpu"


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
