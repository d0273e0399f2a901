"""How much memory there is, and how much was in use."""

import contextlib
import threading
from collections.abc import Iterator

import jax
import psutil

from mttjax.system.errors import InputError

__all__ = ["PeakMemory", "device_memory", "peak_memory", "physical_memory", "require_memory"]

SECONDS = 0.02  # between two looks at the memory in use


def physical_memory() -> int:
    """Bytes of the machine's memory."""
    return psutil.virtual_memory().total


def device_memory() -> int | None:
    """Bytes of an accelerator that this process may use; None on a CPU, or where it is not told."""
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def require_memory(least: float, what: str) -> None:
    """Refuses what needs more memory than there is, which would end in a kill without a word.

    Args:
      least: bytes that are needed at the very least.
      what: what needs them and what to lower, the begin of the message.

    Raises:
      InputError: it is more than the machine has; both numbers are named.
    """
    if least > (has := physical_memory()):
        raise InputError(
            f"{what} needs {_gibibytes(least)} of memory at least, and this machine has "
            f"{_gibibytes(has)}"
        )


def _gibibytes(size):
    return f"{size / 2**30:,.1f} GiB"


class PeakMemory:
    """``bytes`` is there when the block has ended; None where the device does not tell."""

    bytes: int | None = None


@contextlib.contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measures the block.

    On a CPU it is the process's resident memory at its highest within the block, looked at
    fifty times a second, all that lay there before included. On an accelerator it is the device
    memory in use at its highest since the process began, which nothing can set back.
    """
    peak, done, device = PeakMemory(), threading.Event(), jax.local_devices()[0]
    if device.platform != "cpu":
        yield peak
        peak.bytes = (device.memory_stats() or {}).get("peak_bytes_in_use")
        return
    process = psutil.Process()

    def look() -> None:
        peak.bytes = max(peak.bytes or 0, process.memory_info().rss)

    def watch() -> None:
        while not done.wait(SECONDS):
            look()

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    look()
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
        look()
