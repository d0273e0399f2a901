"""Where the time of a distillation gradient goes, by kind of operation.

    python -m benchmarks.profile_step [--before CHECKOUT] [--repeats 3]

The gradient of ``match_loss`` at CIFAR-10 shapes, 1 image per class, on one core, so that
operations do not overlap and their times add up. ``--before`` profiles the ``mttjax`` of
another checkout in turn with this one. Writes benchmarks/PROFILE.md.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.machine import facts, facts_text

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("convolutions", "matrix products", "reductions", "elementwise", "layout", "other")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="a checkout of an earlier state")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    sources = {"before": chosen.before} if chosen.before else {}
    sources["now"] = ROOT
    found = {name: [] for name in sources}
    for _ in range(chosen.repeats):
        for name, source in sources.items():
            found[name].append(one_profile(source))
            print(name, found[name][-1])
    best = {name: min(runs, key=lambda run: sum(run.values())) for name, runs in found.items()}
    text = report(best, sources, chosen.repeats)
    (ROOT / "benchmarks" / "PROFILE.md").write_text(text)
    print(text)


def one_profile(source):
    """kind -> milliseconds, of the ``mttjax`` in ``source``, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "benchmarks.profile_worker"]
    output = subprocess.check_output(command, cwd=source, env=environment, text=True)
    return json.loads(output.splitlines()[-1])


def report(best, sources, repeats):
    run = facts(
        ["benchmarks.profile_step", *(["--before", "CHECKOUT"] if len(best) > 1 else [])], "full"
    )
    lines = [
        "# Where the time of a distillation gradient goes",
        "",
        "N = B = 10, S = 10, 32×32×3, width 128, no augmentation, on one core; milliseconds, the "
        f"fastest of {repeats} runs, taken in turns.",
        "",
        facts_text(run),
        *(f"- {name}: commit `{commit_of(source)}`" for name, source in sources.items()),
        "",
        f"| kind | {' | '.join(best)} |",
        f"|:--|{'--:|' * len(best)}",
    ]
    for kind in KINDS:
        lines.append(f"| {kind} | {' | '.join(f'{one[kind]:.0f}' for one in best.values())} |")
    lines.append(f"| all | {' | '.join(f'{sum(one.values()):.0f}' for one in best.values())} |")
    return "\n".join(lines) + "\n"


def commit_of(source):
    command = ["git", "-C", str(source), "rev-parse", "--short=12", "HEAD"]
    return subprocess.check_output(command, text=True).strip()


if __name__ == "__main__":
    main()
