"""One compiled program for several networks at once, on the cores of a CPU.

A program of small operations leaves cores idle. Several of them, each in a thread of
its own, share the cores better than one program over all networks; and as each runs
as it would alone, the results do not depend on how many run at once.
"""

import os
from concurrent.futures import ThreadPoolExecutor

__all__ = ["cores", "in_threads"]


def cores():
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(function, *arguments, workers=None):
    """``list(map(function, *arguments))``, ``workers`` at a time; None: one per core."""
    with ThreadPoolExecutor(workers or cores(), thread_name_prefix="network") as pool:
        return list(pool.map(function, *arguments))
