"""What the options do to accuracy: trajectories per step at equal time, and bfloat16.

    python -m benchmarks.options --config digits --ipc 1 --seconds 20 --seeds 3

Every variant distils for the same wall time of outer steps (its own step time is measured
first); bfloat16, which no CPU computes at speed, for as many steps as float32: experts,
students and evaluation. The sets are scored on the test set by fresh networks, as
`mttjax evaluate` does.
"""

import argparse
import dataclasses
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.precision import gradient_errors
from mttjax.config.presets import load_preset
from mttjax.config.settings import Run
from mttjax.evaluation import evaluate_sets
from mttjax.runs.problem import load_data
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.provenance import hardware

VARIANTS = {
    "float32, P = 1": ("float32", 1),
    "P = 2": ("float32", 2),
    "P = 4": ("float32", 4),
    "P = 8": ("float32", 8),
    "bfloat16, P = 1": ("bfloat16", 1),
}
"""The precision of all networks, and how many trajectories there are."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="digits")
    parser.add_argument("--ipc", type=int, default=1)
    parser.add_argument("--data-dir")
    parser.add_argument("--seconds", type=float, default=20, help="of outer steps per run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", help="default: benchmarks/options-CONFIG-ipcN.md")
    chosen = parser.parse_args()
    settings = load_preset(chosen.config).settings(chosen.ipc, "mtt")
    data = dataclasses.replace(settings.data, dir=chosen.data_dir)
    settings = dataclasses.replace(settings, data=data)
    dataset = load_data(settings)
    with tempfile.TemporaryDirectory() as work:
        runs = {
            precision: [
                with_experts(settings, dataset, seed, work, precision)
                for seed in range(chosen.seeds)
            ]
            for precision in ("float32", "bfloat16")
        }
        errors = gradient_errors(runs["float32"][0], dataset)
        print(errors)
        rows = [
            measure(name, runs, dataset, chosen.seconds, Path(work) / str(i))
            for i, name in enumerate(VARIANTS)
        ]
    output = chosen.output or f"benchmarks/options-{chosen.config}-ipc{chosen.ipc}.md"
    Path(output).write_text(report(settings, chosen, rows, errors))
    print(f"written: {output}")


def with_experts(settings, dataset, seed, work, precision):
    """The settings of a run of its own, with experts of its own."""
    folder = f"{work}/experts{seed}-{precision}"
    experts = dataclasses.replace(settings.experts, folder=folder, seed=seed)
    network = dataclasses.replace(settings.network, precision=precision)
    settings = dataclasses.replace(settings, seed=seed, experts=experts, network=network)
    run_experts(settings, dataset, log=lambda line: None)
    return settings


def distil(settings, changes, dataset, folder, steps):
    """One run; its last set and the median seconds of a step, the first left out."""
    changes = {"steps": steps, "evaluate_every": 0, "save_every": 10**9, **changes}
    settings = dataclasses.replace(
        settings,
        run=Run(folder=str(folder)),
        distill=dataclasses.replace(settings.distill, **changes),
    )
    run = distill(settings, dataset, log=lambda line: None)
    seconds = [line["seconds"] for line in run.metrics() if "loss" in line][1:]
    return run.load("last"), statistics.median(seconds)


def measure(name, runs, dataset, seconds, folder):
    """(name, seconds a step, steps, test accuracies in %) of one variant over all seeds."""
    precision, trajectories = VARIANTS[name]
    changes = {"trajectories": trajectories}
    _, step_seconds = distil(runs["float32"][0], changes, dataset, folder / "timing", 12)
    steps = max(1, round(seconds / step_seconds))
    accuracies, times = [], []
    for settings in runs[precision]:
        run = folder / f"seed{settings.seed}"
        distilled, step_seconds = distil(settings, changes, dataset, run, steps)
        results = evaluate_sets(
            {name: distilled}, dataset, settings.evaluate, seed=settings.seed, with_random=False
        )
        accuracies.append(100 * results.rows[name].evaluation.mean)
        times.append(step_seconds)
    return name, statistics.median(times), steps, accuracies


def report(settings, chosen, rows, errors):
    head = (
        f"# {settings.name}, {settings.ipc} images per class: trajectories and precision\n\n"
        f"`python -m benchmarks.options --config {chosen.config} --ipc {chosen.ipc} "
        f"--seconds {chosen.seconds:g} --seeds {chosen.seeds}`, {hardware()}.\n"
        f"{chosen.seconds:g} s of outer steps per run (bfloat16: as many steps as float32); test "
        f"accuracy in %, {settings.evaluate.networks} networks of {settings.evaluate.epochs} "
        f"epochs per run; mean ± standard deviation over {chosen.seeds} runs of other seeds.\n\n"
    )
    table = "| variant | seconds a step | steps | accuracy | each run |\n|:--|--:|--:|--:|:--|\n"
    for name, seconds, steps, accuracies in rows:
        each = ", ".join(f"{a:.1f}" for a in accuracies)
        mean, std = np.mean(accuracies), np.std(accuracies)
        table += f"| {name} | {seconds:.4f} | {steps} | {mean:.1f} ± {std:.1f} | {each} |\n"
    return f"{head}{table}\n{errors}"


if __name__ == "__main__":
    main()
