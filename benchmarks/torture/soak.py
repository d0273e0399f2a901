"""A long run: memory, time per step, files, descriptors and threads stay as they were."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.client import ROOT, environment
from benchmarks.tables import Table, seconds_text

__all__ = ["figures", "run", "table"]

SIZES = {"full": (20_000, 5000), "small": (1500, 500)}
"""size -> (steps, steps between evaluations)."""

WARM = {"full": 1000, "small": 500}
"""Steps after which nothing may be compiled and nothing may grow."""

MOST_GROWTH = 0.01  # of the resident memory
MOST_SLOWER = 1.25  # the last steps' median against the first's, on a machine with other work
GROWS = "metrics.jsonl"


def run(size, say=print):
    """Runs the loop in a process of its own, and judges what it wrote down."""
    steps, evaluate_every = SIZES[size]
    say(f"{steps} steps in one process")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.torture.soak_process",
                str(steps),
                str(evaluate_every),
                folder,
            ],
            cwd=ROOT,
            env=environment("cpu"),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr[-2000:]
            return {"tried": steps, "faults": [f"status {done.returncode}: {said}"]}
        watched = json.loads(Path(folder, "watched.json").read_text())
    return figures(watched, WARM[size])


def figures(watched, warm):
    """The figures of a run, and the faults among them.

    Args:
      watched: what ``soak_process`` wrote.
      warm: the step after which everything is to stay as it is.
    """
    samples = watched["samples"]
    later = [s for s in samples if s["step"] >= warm]
    early, late = ([s["rss"] for s in part] for part in (later[: len(later) // 4 or 1], later[-5:]))
    begin, most = statistics.median(early[:5]), max(s["rss"] for s in later)
    first, last = (statistics.median(part) for part in _ends(watched["seconds"], warm))
    files = later[-1]["files"]
    record = {
        "tried": len(watched["seconds"]),
        "warm": warm,
        "rss": [[s["step"], s["rss"]] for s in samples],
        "rss_growth": statistics.median(late) / begin - 1,
        "rss_growth_most": most / begin - 1,
        "first_seconds": first,
        "last_seconds": last,
        "slower": last / first,
        "compiled_before": sum(at < warm for at in watched["compiled_at"]),
        "compiled_after": sum(at >= warm for at in watched["compiled_at"]),
        "metrics_bytes_per_step": files[GROWS] / later[-1]["step"],
        "descriptors": sorted({s["descriptors"] for s in later}),
        "threads": sorted({s["threads"] for s in later}),
        "grown": _grown(later[0]["files"], files),
        "new_files": len(set(files) - set(later[0]["files"])),
        "new_elsewhere": sorted(n for n in set(files) - set(later[0]["files"]) if not _grid(n)),
    }
    return record | {"faults": _faults(record)}


def _ends(seconds, count):
    """The first and the last ``count``, without the very first, which warm up."""
    return seconds[min(100, count // 2) : count], seconds[-count:]


def _grown(before, after):
    """name -> [bytes then, bytes at the end] of the files that grew, but for the metrics."""
    names = set(before) & set(after) - {GROWS}
    return {n: [before[n], after[n]] for n in sorted(names) if after[n] > 1.02 * before[n]}


def _grid(name):
    """The pictures of the best set, three for every evaluation that found a better one."""
    return Path(name).parent.name == "grids"


def _faults(record):
    found = {
        f"resident memory grew by {record['rss_growth']:.2%} after step {record['warm']}": record[
            "rss_growth"
        ]
        > MOST_GROWTH,
        f"the last steps took {record['slower']:.2f} times as long as the first": record["slower"]
        > MOST_SLOWER,
        f"{record['compiled_after']} programs compiled after step {record['warm']}": record[
            "compiled_after"
        ]
        > 0,
        f"open descriptors vary: {record['descriptors']}": len(record["descriptors"]) > 1,
        f"threads vary: {record['threads']}": len(record["threads"]) > 1,
        f"files grew: {record['grown']}": bool(record["grown"]),
        f"new files: {record['new_elsewhere']}": bool(record["new_elsewhere"]),
    }
    return [text for text, wrong in found.items() if wrong]


def table(record):
    """The figures."""
    if "rss" not in record:
        return Table("Long run", ["", "value"], [["faults", "; ".join(record["faults"])]])
    megabytes = [bytes_ / 1e6 for _, bytes_ in record["rss"]]
    warm = record["warm"]
    growth, most = record["rss_growth"], record["rss_growth_most"]
    rows = [
        ["steps in one process", record["tried"]],
        [
            "resident memory at the first sample and at the last",
            f"{megabytes[0]:.1f} and {megabytes[-1]:.1f} MB",
        ],
        [f"its growth after step {warm}, median of the last samples", f"{growth:+.2%}"],
        ["the same, highest sample", f"{most:+.2%}"],
        [
            f"median step, first and last {warm}",
            f"{seconds_text(record['first_seconds'])}, {seconds_text(record['last_seconds'])}",
        ],
        [
            "programs compiled before and after that step",
            f"{record['compiled_before']}, {record['compiled_after']}",
        ],
        ["metrics.jsonl, bytes per step", f"{record['metrics_bytes_per_step']:.0f}"],
        ["other files that grew", len(record["grown"])],
        ["new files, all pictures of better sets", record["new_files"]],
        ["open descriptors", ", ".join(map(str, record["descriptors"]))],
        ["threads", ", ".join(map(str, record["threads"]))],
    ]
    note = "digits, width 4, S = 2, the state saved every 50 steps, sampled every 200."
    return Table("Long run", ["", "value"], rows, [note])


def outcome(record):
    """For the summary."""
    if "rss" not in record:
        return "did not end"
    return (
        f"memory {record['rss_growth']:+.2%}, time per step × {record['slower']:.2f}, "
        f"{record['compiled_after']} programs compiled later"
    )
