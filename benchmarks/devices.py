"""A step of several trajectories on 1, 2 and 4 devices: the same bits, and how long it takes.

    python -m benchmarks.devices

The devices are a CPU's, as many as are asked for (``jax_num_cpu_devices``), which share its cores:
the ratio says what spreading costs, not what cards would gain. Every number of devices has a
process of its own, in turns.
"""

import dataclasses
import hashlib
import json
import statistics
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace
from typing import Annotated

import tyro

from benchmarks.tables import Table, seconds_text, spread_text
from benchmarks.works import DSA, LR, Distillation, Net, distilled, matching
from mttjax.system.fields import COUNT, COUNT_OR_ZERO, Checked


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """How large, and how often."""

    counts: tuple[int, ...] = (1, 2, 4)
    """Numbers of devices."""
    trajectories: Annotated[int, COUNT] = 4
    """P."""
    width: Annotated[int, COUNT] = 128
    """Of the network, of depth 2 for 10 classes of 8x8 gray images, those of digits."""
    ipc: Annotated[int, COUNT] = 1
    """Images per class; every student step sees all."""
    student_steps: Annotated[int, COUNT] = 20
    """S."""
    steps: Annotated[int, COUNT] = 10
    """Timed ones, after two."""
    rounds: Annotated[int, COUNT] = 3
    """Processes of each number."""
    of: Annotated[int, COUNT_OR_ZERO] = 0
    """Be one of them, of so many devices."""


def main():
    """Prints the table; as one process, its seconds and the checksum of its state as JSON."""
    options = tyro.cli(Options, prog="python -m benchmarks.devices", description=__doc__)
    if options.of:
        print(json.dumps(_measured(options)))
        return
    found = {count: [] for count in options.counts}
    for _ in range(options.rounds):
        for count, runs in found.items():
            command = [sys.executable, "-m", "benchmarks.devices", *sys.argv[1:], "--of", count]
            out = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True)
            runs.append(json.loads(out.stdout.splitlines()[-1]))
    print(_table(found, options).markdown())


def _measured(options):
    import jax
    import numpy as np

    jax.config.update("jax_num_cpu_devices", options.of)

    from benchmarks.jax_side import network_of
    from mttjax.core.augmentation import dsa
    from mttjax.core.synthetic import make_synthetic
    from mttjax.core.training import STUDENT_TILE
    from mttjax.distilling.mtt import mtt

    n = 10 * options.ipc
    work = Distillation(Net((8, 8, 1), 10, 2, options.width), options.ipc, n, options.student_steps)
    network, (p, root) = network_of(work.net, {}, STUDENT_TILE), (options.trajectories, _key(0))
    settings = dataclasses.replace(matching(work, "mixed"), trajectories=p, devices=options.of)
    starts, ends = (jax.vmap(network.init)(jax.random.split(_key(i), p)) for i in (1, 2))
    synthetic = make_synthetic(*distilled(work.net, options.ipc), LR)
    how = {"apply": network.apply, "augment": partial(dsa, ops=DSA), "settings": settings}
    method = mtt(synthetic, SimpleNamespace(draw=None), **how)
    step = method.compile(method.initial, (starts, ends), root, lambda line: None)
    state, seconds = method.initial, []
    for index in range(options.steps + 2):
        begin = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, (starts, ends), root, index))
        seconds.append(time.perf_counter() - begin)
    bits = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state))
    return {"seconds": seconds[2:], "bits": hashlib.sha256(bits).hexdigest()[:8]}


def _key(seed):
    import jax

    return jax.random.key(seed)


def _table(found, options):
    medians = {n: [statistics.median(run["seconds"]) for run in runs] for n, runs in found.items()}
    one = statistics.median(medians[options.counts[0]])
    rows = []
    for count, values in medians.items():
        middle = statistics.median(values)
        bits = " ".join(sorted({run["bits"] for run in found[count]}))
        rows.append([count, spread_text(values, middle), f"{middle / one:.2f}", bits])
    size = f"width {options.width}, S = {options.student_steps}"
    title = f"P = {options.trajectories} trajectories, {size}"
    note = f"Medians of {options.steps} steps in {options.rounds} processes; one takes "
    note += f"{seconds_text(one)}."
    return Table(title, ["devices", "a step", "of one", "checksum of the state"], rows, [note])


if __name__ == "__main__":
    main()
