"""How much memory a piece of work took at most: of the accelerator, or of the process."""

import contextlib
from pathlib import Path

import jax

__all__ = ["PeakMemory", "peak_memory"]


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
