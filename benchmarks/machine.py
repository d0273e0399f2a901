"""What the numbers were measured on and with."""

import datetime
import importlib.metadata
import importlib.util
import os
import platform

import jax
import psutil

from mttjax.system.memory import physical_memory
from mttjax.system.provenance import stamp
from mttjax.system.threads import cores

__all__ = ["BUSY", "DISTURBED", "busy", "facts", "facts_text", "has_torch", "is_busy"]

BUSY = 0.1  # of all cores
DISTURBED = "none: the machine was busy"
"""The verdict on a time that other programs disturbed."""


def has_torch():
    """Whether the other side is installed."""
    return importlib.util.find_spec("torch") is not None


def facts(command, size):
    """The facts of a run, ready for JSON; ``id`` is its time."""
    jax.config.update("jax_platforms", "cpu")  # an accelerator is for the workers alone
    made = stamp()
    versions = {"Python": platform.python_version()} | made["versions"]
    commit = versions.pop("mttjax")
    if has_torch():
        versions["torch"] = importlib.metadata.version("torch")
    return {
        "id": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "size": size,
        "command": command,
        "commit": commit,
        "hardware": made["hardware"],
        "threads": cores(),
        "memory_gb": round(physical_memory() / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "busy": busy(),
        "xla_flags": os.environ.get("XLA_FLAGS", "").strip(),
        "peaks": [],
    }


def busy():
    """The share of all cores that other programs use.

    A team of threads that waits for a core taken by another program loses far more than
    its share: PyTorch's do, so that a busy machine makes it look slow.
    """
    return round(psutil.cpu_percent(1.0) / 100, 3)


def is_busy(run):
    """Of a run, or of a record: whether it began on a machine that had other work."""
    return (run.get("busy") or 0) > BUSY


def facts_text(run):
    """The facts as lines of Markdown."""
    named = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    lines = [
        f"- {run['id']}: `{run['command']}`, commit `{run['commit']}`",
        f"- {run['hardware']}, {run['memory_gb']} GB of memory, {run['system']}",
        f"- {named}; {run['threads']} threads on either side, float32",
    ]
    if is_busy(run):
        lines.append(f"- **{100 * run['busy']:.0f} % busy with other work when the run began**")
    if run["xla_flags"]:
        lines.append(f"- XLA_FLAGS `{run['xla_flags']}`")
    for when, peak in zip(("at the beginning", "at the end"), run["peaks"], strict=False):
        listed = ", ".join(f"{name} {value:.0f}" for name, value in peak.items())
        lines.append(f"- matrix product {when}, GFLOP/s: {listed}")
    return "\n".join(lines)
