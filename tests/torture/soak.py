"""A long run, watched from outside: memory, files, descriptors and threads stay as they were."""

import json
import statistics
import time
from pathlib import Path

import psutil

from tests.torture.places import Place, command_line

__all__ = ["figures", "run", "watched"]

MOST_GROWTH = 0.01  # of the resident memory
TINY = ("--network.width", "4", "--experts.count", "2", "--experts.epochs", "2")
MTT = (*TINY, "--distill.student-steps", "2", "--distill.max-start", "2", "--distill.lr-img", "1")
SECONDS = 0.05  # between two looks
COMPILED = "Finished XLA compilation"


def run(folder, steps=20_000, warm=2_000, say=print):
    """One process of so many steps of a millisecond: the figures by name, and the faults.

    Args:
      folder: to work in.
      steps: of the run.
      warm: the step after which everything is to stay as it is.
      say: called with a line of text.
    """
    place = Place(Path(folder) / "soak", Path(folder) / "cache")
    place.run(command_line("train_experts", *TINY))
    say(f"{steps} steps in one process")
    return figures(*watched(place, steps, *MTT), warm)


def watched(place, steps, *options):
    """Distils for so many steps: a sample at every look, and the run's metrics."""
    schedule = ("--distill.save-every", "50", "--distill.evaluate-every", str(steps // 4))
    arguments = command_line("distill", *options, "--distill.steps", str(steps), *schedule)
    process = place.start(arguments, JAX_LOG_COMPILES="1")
    look, samples = psutil.Process(process.pid), []
    try:
        while process.poll() is None:
            samples += _sample(look, place)
            time.sleep(SECONDS)
    finally:
        process.kill()
    if process.wait():
        raise RuntimeError(place.said())
    (path,) = place.folder.rglob("metrics.jsonl")
    # After the last step the pages are written.
    samples = [sample for sample in samples if sample["step"] < steps]
    return samples, [json.loads(line) for line in path.read_text().splitlines()]


def _sample(process, place):
    """What there is to see at this moment; nothing before the first step."""
    try:
        (path,) = place.folder.rglob("metrics.jsonl")
        *_, last, _ = path.read_text().split("\n")
        files = [p for p in place.folder.rglob("*") if p.is_file()]
        with process.oneshot():
            sample = {"rss": process.memory_info().rss, "threads": process.num_threads()}
        sample["descriptors"] = process.num_fds()
        sample["files"] = {p.name: p.stat().st_size for p in files if p.suffix != ".tmp"}
    except (ValueError, FileNotFoundError, psutil.Error):
        return []
    compiled = place.log.read_text(errors="replace").count(COMPILED)
    return [sample | {"step": json.loads(last)["step"], "compiled": compiled}]


def figures(samples, metrics, warm):
    """The figures of a run, and the faults among them; a look may fall into a save."""
    later = [s for s in samples if s["step"] >= warm]
    first, last = later[: len(later) // 4 + 1], later[-(len(later) // 4 + 1) :]
    of = lambda part, name: [sample[name] for sample in part]
    growth = statistics.median(of(last, "rss")) / statistics.median(of(first, "rss")) - 1
    seconds = [line["seconds"] for line in metrics if "seconds" in line]
    slower = statistics.median(seconds[-warm:]) / statistics.median(seconds[warm : 2 * warm])
    grown = {n: s for n, s in last[-1]["files"].items() if s > 1.02 * first[0]["files"].get(n, s)}
    new = [n for n in set(last[-1]["files"]) - set(first[0]["files"]) if not n.endswith(".png")]
    faults = {
        f"resident memory grew by {growth:.2%} after step {warm}": growth > MOST_GROWTH,
        "programs were compiled later": last[-1]["compiled"] > first[0]["compiled"],
        "more open descriptors": min(of(last, "descriptors")) > min(of(first, "descriptors")),
        "more threads": min(of(last, "threads")) > min(of(first, "threads")),
        f"files grew: {sorted(grown)}": set(grown) - {"metrics.jsonl", "log.txt"},
        f"new files: {new}": new,
    }
    counts = {
        "steps": metrics[-1]["step"],
        f"looks after step {warm}": len(later),
        f"resident memory's growth after step {warm}": f"{growth:+.2%}",
        "time per step, the last against the first after that": f"× {slower:.2f}",
        "programs compiled later": last[-1]["compiled"] - first[0]["compiled"],
    }
    return counts, [text for text, wrong in faults.items() if wrong]
