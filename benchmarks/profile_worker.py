"""The profile of one gradient, as a line of JSON: kind of operation -> milliseconds."""

import collections
import json
import os
import re
import tempfile
from pathlib import Path

# The kind of a fused computation is that of the first of these that it contains.
KINDS = {
    "convolution": "convolutions",
    "dot": "matrix products",
    "reduce-window": "reductions",
    "reduce": "reductions",
    "scatter": "other",
    "gather": "other",
    "add": "elementwise",
    "subtract": "elementwise",
    "multiply": "elementwise",
    "divide": "elementwise",
    "select": "elementwise",
    "maximum": "elementwise",
    "broadcast": "elementwise",
    "concatenate": "layout",
    "transpose": "layout",
    "pad": "layout",
    "slice": "layout",
    "copy": "layout",
}
OTHERS = ("while", "call", "conditional")  # they contain the rest: counted once


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    compiled, arguments = gradient()
    import jax

    jax.block_until_ready(compiled(*arguments))
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(*arguments))
        (trace,) = Path(folder).rglob("*.xplane.pb")
        profile = jax.profiler.ProfileData.from_file(str(trace))
    kinds = kinds_of(compiled.as_text())
    total = dict.fromkeys({*KINDS.values()}, 0.0)
    for event in (e for p in profile.planes for line in p.lines for e in line.events):
        if event.name in kinds:
            total[kinds[event.name]] += event.duration_ns / 1e6
    print(json.dumps(total))


def gradient():
    """The compiled gradient of ``match_loss`` and what to call it with."""
    import jax
    import jax.numpy as jnp

    import mttjax

    network = mttjax.make_network(mttjax.NetworkSpec(depth=3, width=128), (32, 32, 3), 10)
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
    found = collections.defaultdict(lambda: "other")
    for body in bodies.values():
        for line in body.splitlines()[1:]:
            instruction = re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = .*? ([\w\-]+)\(", line)
            if not instruction or instruction[2] in OTHERS:
                continue
            called = re.search(r"calls=%?([\w.\-]+)", line)
            inside = bodies.get(called[1], line) if called else line
            operations = set(re.findall(r" ([\w\-]+)\(", inside))
            kind = next((kind for op, kind in KINDS.items() if op in operations), "other")
            found[instruction[1]] = kind
    return found


if __name__ == "__main__":
    main()
