"""Every method that learns with rates a thousand times too large: stopped, and run on."""

import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.tables import Table
from mttjax.config.methods import RATES, Distill, published_settings
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.datasets import load_dataset
from mttjax.distilled import load_distilled
from mttjax.distilling.loop import Diverged
from mttjax.distilling.step import MOST_RMS
from mttjax.runs.workflows import run_distill, run_experts

__all__ = ["run", "table"]

TIMES = 1000.0
FALLBACKS = 8
METHODS = {"full": ("mtt", "dc", "dm", "cafe", "dd", "ld"), "small": ("mtt",)}
STEPS = {"full": 150, "small": 20}
RATES_OF = ("lr_img", "lr_lr", "lr_labels")


def run(size, say=print):
    """Each method thrice: too fast and stopped, too fast with fallbacks, and as it should be."""
    record = {"tried": 0, "diverged": 0, "methods": {}, "faults": []}
    dataset = load_dataset("digits")
    with tempfile.TemporaryDirectory(prefix="divergence-") as folder:
        base = _settings(folder, STEPS[size])
        run_experts(base, dataset, log=lambda line: None)
        for method in METHODS[size]:
            found = _of_method(_of(base, method), Path(folder) / method, dataset, record["faults"])
            record["methods"][method] = found
            record["tried"] += 2
            record["diverged"] += found["stopped"] is not None
            say(f"{method}: {found}")
    return record


def _settings(folder, steps):
    distill = Distill(
        student_steps=10,
        expert_epochs=1,
        max_start=4,
        lr_img=30,
        lr_lr=0.1,
        lr=0.05,
        steps=steps,
        evaluate_every=50,
        save_every=10,
        validation=Protocol(networks=2, epochs=60),
    )
    experts = Experts(count=3, batch=64, lr=0.05, folder=str(Path(folder) / "experts"))
    return Settings(
        name="divergence",
        ops=(),
        data=Data(dataset="digits"),
        experts=experts,
        network=NetworkSpec(depth=2, width=16),
        distill=distill,
    )


def _of(base, method):
    """The settings of a method with the loop of ``base``."""
    if method == "mtt":
        return base
    names = ("steps", "evaluate_every", "save_every", "validation")
    loop = {name: getattr(base.distill, name) for name in names}
    distill = dataclasses.replace(published_settings(method, 1), **loop, real_batch=64)
    return dataclasses.replace(base, method=method, distill=distill)


def _too_fast(settings, **changes):
    rates = {n: TIMES * v for n in RATES_OF if (v := getattr(settings.distill, n, None))}
    distill = dataclasses.replace(settings.distill, **rates, **changes)
    return dataclasses.replace(settings, distill=distill)


def _of_method(settings, folder, dataset, faults):
    def distil(settings, name):
        settings = dataclasses.replace(settings, run=Run(folder=str(folder / name)))
        return run_distill(settings, dataset, log=lambda line: None)

    found, fast = {"stopped": None, "good": None}, folder / "fast"
    try:
        distil(_too_fast(settings), "fast")
    except Diverged as error:
        found["stopped"] = _lines(fast)[-1]["step"]
        found["good"] = load_distilled(fast / "last.npz").settings["step"]
        words = ("--distill.", f"of step {found['good']},", "--distill.fallbacks")
        faults += [f"{settings.method}: no {w!r} in: {error}" for w in words if w not in str(error)]
    faults += _beyond_use(settings, fast)
    # A run that stopped goes on with fallbacks from where it was left.
    again = _too_fast(settings, fallbacks=FALLBACKS)
    name = "fast" if found["stopped"] else "fallbacks"
    try:
        distil(again, name)
    except Diverged as error:
        faults.append(f"{settings.method}: diverged in spite of {FALLBACKS} fallbacks: {error}")
    faults += _beyond_use(settings, folder / name)
    distil(settings, "right")
    lines = _lines(folder / name)
    return found | {
        "fallbacks": max((line["fallback"] for line in lines if "fallback" in line), default=0),
        "first": _validation(lines, 0),
        "last": _validation(lines, -1),
        "right": _validation(_lines(folder / "right"), -1),
    }


def _beyond_use(settings, folder):
    """The faults of the set that a run left."""
    found = load_distilled(folder / "last.npz")  # refuses what is not finite
    rms = float(np.sqrt(np.mean(np.square(found.images, dtype=np.float64))))
    if rms > MOST_RMS or not RATES[0] <= found.lr <= RATES[1]:
        return [f"{settings.method}: images of rms {rms:.3g} at α {found.lr:.3g} were kept"]
    return []


def _lines(folder):
    return [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]


def _validation(lines, index):
    return [line["evaluation"]["mean"] for line in lines if "evaluation" in line][index]


def table(record):
    """A row per method."""
    header = [
        "method, rates × 1000",
        "stopped at step",
        "last good step",
        "fallbacks taken",
        "first",
        "with fallbacks",
        "at the right rates",
    ]
    rows = []
    for method, found in record["methods"].items():
        steps = ["no" if found[n] is None else found[n] for n in ("stopped", "good")]
        shown = [f"{100 * found[n]:.1f}" for n in ("first", "last", "right")]
        rows.append([method, *steps, found["fallbacks"], *shown])
    note = (
        f"Digits, 1 image per class, {STEPS['full']} steps, up to {FALLBACKS} fallbacks, each to a "
        "tenth of the rates. The last three columns are accuracies on validation in per cent: of "
        "the first images, at the end with fallbacks, and at the end of a run with usual rates."
    )
    return Table("Divergence", header, rows, [note])
