"""Training cost: a run's validation accuracy against the seconds that its steps took.

The cost of making a set, which Cazenavette et al., CVPR 2022, section 3.3, are concerned with.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mttjax.config.settings import settings_from
from mttjax.experts.store import ExpertStore
from mttjax.paper.csv_file import write_csv
from mttjax.reporting.plots import figure, legend_below
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError

__all__ = ["HEADERS", "Course", "draw_cost", "read_course"]

HEADERS = ("run", "step", "seconds", "mean", "std", "networks")

_COLOURS = ("#2563ab", "#c8600f", "#2a8c4a", "#8e4ec6", "#b3261e", "#00838f", "#7a5c00", "#464a52")


class Course(NamedTuple):
    """A run's evaluations: [n] each, accuracies in [0, 1]."""

    name: str
    steps: list[int]
    seconds: list[float]
    """Of the steps so far, and of the experts where they count; no evaluations, no compiling."""
    means: list[float]
    stds: list[float]
    networks: list[int]


def read_course(
    run: RunFolder, *, experts: ExpertStore | None = None, name: str | None = None
) -> Course:
    """The evaluations of a run and the seconds before each.

    Args:
      run: the run's folder.
      experts: those that an MTT run read: the seconds of the epochs it read are added to all
        of its own. None: they are not.
      name: what to call it; None: the folder's name.

    Raises:
      InputError: no metrics, no evaluations among them, or experts of another network.
    """
    seconds = _seconds_of_experts(run, experts) if experts else 0.0
    points = []
    for record in run.metrics():
        seconds += record.get("seconds") or 0
        if score := record.get("evaluation"):
            points.append((record["step"], seconds, *(score[n] for n in HEADERS[3:])))
    if not points:
        raise InputError(
            f"{run.path}: it was never evaluated; run it with at least one network for "
            "validation, and evaluate_every"
        )
    return Course(name or run.path.name, *map(list, zip(*points, strict=True)))


def _seconds_of_experts(run, store):
    """The seconds of all epochs that an MTT run's experts were read to; 0 for other methods."""
    config = run.config()
    settings = settings_from({name: config[name] for name in config if name != "versions"})
    if settings.method != "mtt":
        return 0.0
    if settings.network != store.recipe.network:
        raise InputError(
            f"{store.folder}: its experts are {store.recipe.network} and those of {run.path} "
            f"{settings.network}; give the store that the run was made with"
        )
    last = settings.distill.epochs_needed
    read = [e for e in store.experts_with(last) if e < settings.experts.count]
    if not read:
        raise InputError(
            f"{store.folder}: no expert there has the {last} epochs that {run.path} reads; give "
            "the store that the run was made with"
        )
    return store.seconds(read, last)


def draw_cost(
    runs: Sequence[str | Path], folder: str | Path, *, experts: str | Path | None = None
) -> list[Path]:
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
        raise InputError("runs is empty: give at least one run's folder")
    folder, paths = Path(folder), list(map(Path, dict.fromkeys(runs)))
    store = ExpertStore(experts) if experts else None
    alike = len({path.name for path in paths}) < len(paths)
    courses = [
        read_course(RunFolder(path), experts=store, name=str(path) if alike else None)
        for path in paths
    ]
    rows = [(c.name, *point) for c in courses for point in zip(*c[1:], strict=True)]
    write_csv(folder / "cost.csv", HEADERS, rows)
    _plot(folder / "cost.png", courses, store is not None)
    return [folder / "cost.csv", folder / "cost.png"]


def _plot(path, courses, with_experts):
    longest = max(course.seconds[-1] for course in courses)
    units = (("hours", 3600), ("minutes", 60), ("seconds", 1))
    unit, size = next((u for u in units if longest >= 2 * u[1]), units[-1])
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
