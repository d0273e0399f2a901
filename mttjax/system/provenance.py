"""What a result says of itself: when, on what, and with which versions it was made."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

import mttjax

__all__ = ["hardware", "stamp", "versions"]


def stamp() -> dict[str, Any]:
    """``date``, ``hardware`` and ``versions``, JSON values, as every result carries them."""
    date = datetime.now(UTC).date().isoformat()
    return {"date": date, "hardware": hardware(), "versions": versions()}


def versions() -> dict[str, str]:
    """The versions that decide a result's bits, by package; mttjax's with its commit."""
    return dict(_versions())


@functools.cache
def _versions():
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"mttjax": mttjax.__version__ + _commit()} | found


def _commit() -> str:
    """``+commit`` where the package lies in a checkout; ``.dirty`` where that was changed."""
    root = Path(mttjax.__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--exclude", "*", "--dirty=.dirty"]
    try:
        return (
            "+" + subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or a repository of another user
        return ""


def hardware() -> str:
    """What this ran on, in words: the accelerator or the processor, and the cores."""
    device = jax.local_devices()[0]
    name = _processor() if device.platform == "cpu" else device.device_kind
    return f"{name}, {os.cpu_count()} cores"


@functools.cache
def _processor() -> str:
    """The processor's own name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
