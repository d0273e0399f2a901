"""What the numbers were measured on and with."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.client import ROOT, cores

__all__ = ["BUSY", "busy", "busy_text", "facts", "facts_text", "is_busy"]

BUSY = 0.1  # of all cores
PACKAGES = ("jax", "jaxlib", "flax", "optax", "torch")


def facts(arguments, size, packages=PACKAGES):
    """The facts of a run, ready for JSON; ``id`` is its time."""
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return {
        "id": now,
        "size": size,
        "command": " ".join(["python", "-m", *arguments]),
        "commit": commit(),
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(packages),
        "busy": busy(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "peaks": [],
    }


def versions(packages=PACKAGES):
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            sys.exit(f"benchmarks: {name} is missing. Install with: pip install '.[bench]'")
    return found


def busy(seconds=1.0):
    """The share of all cores that other programs use; None where the system does not say.

    A team of threads that waits for a core taken by another program loses far more than
    its share: PyTorch's do, so that a busy machine makes it look slow.
    """

    def idle_and_all():
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
        return numbers[3] + numbers[4], sum(numbers)

    try:
        idle, total = idle_and_all()
        time.sleep(seconds)
        idle_then, total_then = idle_and_all()
    except OSError:
        return None
    return round(1 - (idle_then - idle) / max(1, total_then - total), 3)


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "?")


def commit():
    """The commit's hash, with ``+`` where tracked files differ from it."""
    try:
        git = ["git", "-C", str(ROOT)]
        text = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], text=True)
        changed = subprocess.check_output(
            [*git, "status", "--porcelain", "--untracked-files=no"], text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return text.strip() + ("+" if changed.strip() else "")


def is_busy(run):
    """Of a run, or of a record: whether it began on a machine that had other work."""
    return (run.get("busy") or 0) > BUSY


def busy_text(run):
    return f"{100 * run['busy']:.0f} % busy with other work"


def facts_text(run):
    """The facts as lines of Markdown."""
    named = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    lines = [
        f"- {run['id']}: `{run['command']}`, commit `{run['commit']}`",
        f"- {run['cpu']}, {run['cores']} cores, {run['memory_gb']} GB of memory, {run['system']}",
        f"- {named}; {run['cores']} threads on either side, float32",
    ]
    if is_busy(run):
        lines.append(f"- **the machine was {busy_text(run)} when the run began**")
    if run["xla_flags"]:
        lines.append(f"- XLA_FLAGS `{run['xla_flags'].strip()}`")
    for i, peak in enumerate(run["peaks"]):
        when = "at the beginning" if i == 0 else "at the end"
        listed = ", ".join(f"{name} {value:.0f}" for name, value in peak.items())
        lines.append(f"- matrix product {when}, GFLOP/s: {listed}")
    return "\n".join(lines)
