"""Whether the machine has the memory that something needs, before any of it is taken."""

import contextlib
import os
from pathlib import Path

import jax

from mttjax.system.errors import InputError

__all__ = ["PeakMemory", "peak_memory", "physical_memory", "require_memory"]


def physical_memory():
    """Bytes of the machine's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def require_memory(least, what):
    """Refuses what needs more memory than there is, which would end in a kill without a word.

    Args:
      least: bytes that are needed at the very least.
      what: what needs them and what to lower, the begin of the message.

    Raises:
      InputError: it is more than the machine has; both numbers are named.
    """
    has = physical_memory()
    if has is not None and least > has:
        raise InputError(
            f"{what} needs {_gibibytes(least)} of memory at least, and this machine has "
            f"{_gibibytes(has)}"
        )


def _gibibytes(size):
    return f"{size / 2**30:,.1f} GiB"


class PeakMemory:
    """``bytes`` is there when the block has ended; None where the system does not tell."""

    bytes = None


@contextlib.contextmanager
def peak_memory():
    """Measures the block; yields a ``PeakMemory``.

    On a CPU it is the process's resident memory at its highest within the block, all that
    lay there before included. On an accelerator it is the device memory in use at its
    highest since the process began, which nothing can set back.
    """
    peak = PeakMemory()
    with contextlib.suppress(OSError):  # a system without it: the peak since the process began
        Path("/proc/self/clear_refs").write_text("5")
    yield peak
    device = jax.devices()[0]
    if device.platform != "cpu":
        peak.bytes = (device.memory_stats() or {}).get("peak_bytes_in_use")
        return
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        peak.bytes = 1024 * int(line.split()[1])
