"""Training cost: a run's validation accuracy against the seconds that its steps took.

The cost of making a set, which Cazenavette et al., CVPR 2022, section 3.3, are concerned with.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.experts.recipe import recipe_of
from mttjax.experts.store import ExpertStore
from mttjax.paper.figures.data import write_csv
from mttjax.paper.figures.held_out import whole_at
from mttjax.reporting.plots import figure, legend_below
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.metrics import read_metrics

__all__ = ["HEADERS", "Course", "draw_cost", "read_course"]

HEADERS = ("run", "step", "seconds", "mean", "std", "networks")

_COLOURS = ("#2563ab", "#c8600f", "#2a8c4a", "#8e4ec6", "#b3261e", "#00838f", "#7a5c00", "#464a52")


class Course(NamedTuple):
    """A run's evaluations: [n] each, accuracies in [0, 1]."""

    name: str
    steps: list
    seconds: list
    """Of the steps so far, and of the experts where they count; no evaluations, no compiling."""
    means: list
    stds: list
    networks: list


def read_course(run, *, experts=None, name=None):
    """The evaluations of a run and the seconds before each.

    Args:
      run: a run's folder, with its ``metrics.jsonl``.
      experts: the ``ExpertStore`` that an MTT run read: the seconds of the epochs it read are
        added to all of its own. None: they are not.
      name: what to call it; None: the folder's name.

    Raises:
      InputError: no metrics, no evaluations among them, or experts of another network.
    """
    run = Path(run)
    seconds = _seconds_of_experts(run, experts) if experts else 0.0
    points = []
    for record in read_metrics(run / "metrics.jsonl"):
        seconds += record.get("seconds") or 0
        if score := record.get("evaluation"):
            points.append((record["step"], seconds, *(score[n] for n in HEADERS[3:])))
    if not points:
        raise InputError(
            f"--runs {run}: it was never evaluated; run it with --distill.validation.networks of "
            "at least 1 and --distill.evaluate-every"
        )
    return Course(name or run.name, *map(list, zip(*points, strict=True)))


def _seconds_of_experts(run, store):
    """The seconds of all epochs that an MTT run's experts were read to; 0 for other methods."""
    config = read_json(run / "config.json")
    if config.get("method") != "mtt":
        return 0.0
    network, given = recipe_of(store).network, config.get("network")
    theirs = (network.name, network.depth, network.width)
    parts = given if isinstance(given, dict) else {}
    mine = tuple(parts.get(part) for part in ("name", "depth", "width"))
    if theirs != mine:
        raise InputError(
            f"--with-experts {store.folder}: its experts are {theirs} and those of {run} {mine}; "
            "give the store that the run was made with"
        )
    read = [whole_at(config, "distill", n) for n in ("max_start", "expert_epochs")]
    count = whole_at(config, "experts", "count")
    if None in (*read, count):
        raise InputError(f"{run}: its config.json does not say which experts it reads")
    last = sum(read) - 1
    ready = [e for e in store.experts_with(last) if e < count]
    if not ready:
        raise InputError(
            f"--with-experts {store.folder}: no expert there has the {last} epochs that {run} "
            "reads; give the store that the run was made with"
        )
    epochs = [store.manifest["experts"][f"{e:04d}"]["epochs"][: last + 1] for e in ready]
    return sum(record.get("seconds", 0) for each in epochs for record in each)


def draw_cost(runs, folder, *, experts=None):
    """Draws the accuracies on validation of runs against the seconds of their steps.

    Args:
      runs: their folders.
      folder: where to.
      experts: the folder of the experts whose seconds MTT runs begin with, or None.

    Returns:
      The paths of ``cost.csv`` (accuracies in [0, 1]) and ``cost.png``.

    Raises:
      InputError: see ``read_course``; no runs, or no experts in the folder.
    """
    if not runs:
        raise InputError("--runs: give at least one run's folder")
    folder, runs = Path(folder), list(map(Path, dict.fromkeys(runs)))
    store = ExpertStore(experts) if experts else None
    alike = len({run.name for run in runs}) < len(runs)
    courses = [read_course(r, experts=store, name=str(r) if alike else None) for r in runs]
    rows = [(c.name, *point) for c in courses for point in zip(*c[1:], strict=True)]
    write_csv(folder / "cost.csv", HEADERS, rows)
    _plot(folder / "cost.png", courses, store is not None)
    return [folder / "cost.csv", folder / "cost.png"]


def _plot(path, courses, with_experts):
    longest = max(course.seconds[-1] for course in courses)
    unit, size = next(
        u
        for u in (("hours", 3600), ("minutes", 60), ("seconds", 1))
        if longest >= 2 * u[1] or u[1] == 1
    )
    below = -(-len(courses) // 2)
    with figure(path, (6.4, 4.0 + 0.2 * below)) as axes:
        panel = axes[0, 0]
        for i, course in enumerate(courses):
            colour = _COLOURS[i % len(_COLOURS)]
            style = ("-", "--", ":")[i // len(_COLOURS) % 3]
            at = np.array(course.seconds) / size
            mean, std = (100 * np.array(x, float) for x in (course.means, course.stds))
            panel.fill_between(at, mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
            look = {"color": colour, "marker": "o", "markersize": 3.5, "clip_on": False}
            panel.plot(at, mean, style, label=course.name, **look)
        panel.set_title("accuracy against the cost of training")
        panel.set_xlabel(f"{unit} of {'experts and ' if with_experts else ''}distillation steps")
        panel.set_ylabel("validation accuracy, %")
        panel.set_xlim(left=0)
        legend_below(panel, columns=2)
