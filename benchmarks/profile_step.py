"""Where the time of a distillation gradient goes, by kind of operation.

    python -m benchmarks.profile_step [--before CHECKOUT] [--repeats 3]

The gradient of ``match_loss`` at CIFAR-10 shapes, 1 image per class, on one core, so that
operations do not overlap and their times add up. ``--before`` profiles the ``mttjax`` of
another checkout in turn with this one. Writes benchmarks/PROFILE.md.
"""

import argparse
import collections
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The kind of a fused computation is the first whose operations it contains.
KINDS = {
    "convolutions": ("convolution",),
    "matrix products": ("dot",),
    "reductions": ("reduce-window", "reduce"),
    "other": ("scatter", "gather"),
    "elementwise": ["add", "subtract", "multiply", "divide", "select", "maximum", "broadcast"],
    "layout": ("concatenate", "transpose", "pad", "slice", "copy"),
}
CONTAINERS = ("while", "call", "conditional")  # they contain the rest: counted once


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, help="a checkout of an earlier state")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        print(json.dumps(profile()))
        return
    sources = ({"before": chosen.before} if chosen.before else {}) | {"now": ROOT}
    runs = {name: [] for name in sources}
    for _ in range(chosen.repeats):
        for name, source in sources.items():
            runs[name].append(profile_of(source))
            print(name, runs[name][-1])
    best = {name: min(each, key=lambda run: sum(run.values())) for name, each in runs.items()}
    text = report(best, sources, chosen.repeats)
    (ROOT / "benchmarks" / "PROFILE.md").write_text(text)
    print(text)


def profile_of(source):
    """kind -> milliseconds, of the ``mttjax`` in ``source``, in a process of its own."""
    command = [sys.executable, "-P", __file__, "--worker"]
    variables = os.environ | {"PYTHONPATH": str(source)}
    return json.loads(subprocess.check_output(command, env=variables, text=True).splitlines()[-1])


def report(best, sources, repeats):
    from benchmarks.machine import facts, facts_text

    command = "python -m benchmarks.profile_step" + " --before CHECKOUT" * (len(best) > 1)
    rows = {kind: [times[kind] for times in best.values()] for kind in KINDS}
    rows["all"] = [sum(times.values()) for times in best.values()]
    lines = [
        "# Where the time of a distillation gradient goes",
        "",
        "N = B = 10, S = 10, 32×32×3, width 128, no augmentation, on one core; milliseconds, the "
        f"fastest of {repeats} runs, taken in turns.",
        "",
        facts_text(facts(command, "full")),
        *(f"- {name}: commit `{commit_of(source)}`" for name, source in sources.items()),
        "",
        f"| kind | {' | '.join(best)} |",
        f"|:--|{'--:|' * len(best)}",
        *(f"| {kind} | {' | '.join(f'{ms:.0f}' for ms in row)} |" for kind, row in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def commit_of(source):
    command = ["git", "-C", str(source), "rev-parse", "--short=12", "HEAD"]
    return subprocess.check_output(command, text=True).strip()


def profile():
    """kind -> milliseconds of one gradient, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import jax

    compiled, arguments = gradient()
    jax.block_until_ready(compiled(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(*arguments))
        (trace,) = Path(folder).rglob("*.xplane.pb")
        planes = jax.profiler.ProfileData.from_file(str(trace)).planes
        kinds, total = kinds_of(compiled.as_text()), dict.fromkeys(KINDS, 0.0)
        for event in (event for p in planes for line in p.lines for event in line.events):
            if event.name in kinds:
                total[kinds[event.name]] += event.duration_ns / 1e6
    return total


def gradient():
    """The compiled gradient of ``match_loss`` and what to call it with."""
    import jax
    import jax.numpy as jnp

    import mttjax

    # An earlier state may know one form of the convolution alone.
    form = {"tile": 2} if "tile" in inspect.signature(mttjax.make_network).parameters else {}
    spec = mttjax.NetworkSpec(depth=3, width=128)
    network = mttjax.make_network(spec, (32, 32, 3), 10, **form)
    key = jax.random.key(0)
    start = network.init(key)
    target = jax.tree.map(lambda x: x + 0.01, start)
    images = jax.random.normal(key, (10, 32, 32, 3))
    synthetic = mttjax.Synthetic(images, jnp.eye(10), jnp.float32(-4))
    batches = mttjax.sample_batches(key, 10, 10, 10)

    def loss(synthetic, start, target):
        return mttjax.match_loss(synthetic, start, target, apply=network.apply, batches=batches)[0]

    arguments = synthetic, start, target
    return jax.jit(jax.grad(loss)).lower(*arguments).compile(), arguments


def kinds_of(text):
    """The kind of every instruction of a compiled program, from its text."""
    bodies = {}
    for part in text.split("\n\n"):
        if name := re.match(r"(?:ENTRY )?%?([\w.\-]+) ", part.strip()):
            bodies[name[1]] = part
    kinds = collections.defaultdict(lambda: "other")
    for body in bodies.values():
        for line in body.splitlines()[1:]:
            instruction = re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = .*? ([\w\-]+)\(", line)
            if not instruction or instruction[2] in CONTAINERS:
                continue
            called = re.search(r"calls=%?([\w.\-]+)", line)
            inside = bodies.get(called[1], line) if called else line
            operations = set(re.findall(r" ([\w\-]+)\(", inside))
            containing = (kind for kind, names in KINDS.items() if operations & set(names))
            kinds[instruction[1]] = next(containing, "other")
    return kinds


if __name__ == "__main__":
    main()
