"""What a result says of itself: when, on what, and with which versions it was made."""

import contextlib
import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import jax

__all__ = ["hardware", "today", "versions"]


def versions():
    """The versions that decide a result's bits, by package."""
    packages = ("mttjax", "jax", "jaxlib", "flax", "optax", "numpy")
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def today():
    """The date, as a result carries it."""
    return datetime.now(UTC).date().isoformat()


def hardware():
    """What this ran on, in words: the accelerator or the processor, and the cores."""
    device = jax.devices()[0]
    name = _processor() if device.platform == "cpu" else device.device_kind
    return f"{name}, {os.cpu_count()} cores"


def _processor():
    """The processor's own name where the system tells it, else its architecture."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
