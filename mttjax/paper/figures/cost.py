"""Training cost: a run's validation accuracy against the seconds that its steps took.

The cost of making a set, which Cazenavette et al., CVPR 2022, section 3.3, are concerned with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mttjax.config.methods import MATCHING
from mttjax.config.settings import settings_from
from mttjax.experts.store import ExpertStore
from mttjax.paper.csv_file import write_csv
from mttjax.reporting.plots import figure, legend_below
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError

__all__ = ["draw_cost"]

HEADERS = ("run", "step", "seconds", "mean", "std", "networks")

_COLOURS = ("#2563ab", "#c8600f", "#2a8c4a", "#8e4ec6", "#b3261e", "#00838f", "#7a5c00", "#464a52")


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
      InputError: no runs, a run that was not evaluated, or no experts of it in the folder.
    """
    if not runs:
        raise InputError("runs is empty: give at least one run's folder")
    folder, paths = Path(folder), list(map(Path, dict.fromkeys(runs)))
    store = ExpertStore(experts) if experts else None
    alike = len({path.name for path in paths}) < len(paths)
    courses = [_course(RunFolder(p), str(p) if alike else p.name, store) for p in paths]
    write_csv(folder / "cost.csv", HEADERS, [point for course in courses for point in course])
    _plot(folder / "cost.png", courses, store is not None)
    return [folder / "cost.csv", folder / "cost.png"]


def _course(run, name, experts):
    """The evaluations of a run, a row of ``HEADERS`` each; accuracies in [0, 1].

    The seconds are those of the steps so far, without evaluations and compiling; after those
    of the epochs that an MTT run read of ``experts``, where they are given.
    """
    metrics = run.metrics()
    if not any(record.get("evaluation") for record in metrics):
        raise InputError(
            f"{run.path}: no run there that was evaluated; give it networks for validation"
        )
    seconds = _seconds_of_experts(run, experts) if experts else 0.0
    points = []
    for record in metrics:
        seconds += record.get("seconds") or 0
        if score := record.get("evaluation"):
            numbers = (score[header] for header in HEADERS[3:])
            points.append((name, record["step"], seconds, *numbers))
    return points


def _seconds_of_experts(run, store):
    """The seconds of all epochs that an MTT run's experts were read to; 0 for other methods."""
    settings = settings_from(run.config())
    if settings.method not in MATCHING:
        return 0.0
    last = settings.distill.epochs_needed
    read = [e for e in store.experts_with(last) if e < settings.experts.count]
    if settings.network != store.recipe.network or not read:
        raise InputError(
            f"{store.folder}: no expert there is {settings.network} with the {last} epochs that "
            f"{run.path} reads; give the store that the run was made with"
        )
    return store.seconds(read, last)


def _plot(path, courses, with_experts):
    longest = max(course[-1][2] for course in courses)
    units = (("hours", 3600), ("minutes", 60), ("seconds", 1))
    unit, size = next((u for u in units if longest >= 2 * u[1]), units[-1])
    below = -(-len(courses) // 2)
    with figure(path, (6.4, 4.0 + 0.2 * below)) as axes:
        panel = axes[0, 0]
        for i, course in enumerate(courses):
            colour = _COLOURS[i % len(_COLOURS)]
            style = ("-", "--", ":")[i // len(_COLOURS) % 3]
            seconds, mean, std = np.array([point[2:5] for point in course], float).T
            at, mean, std = seconds / size, 100 * mean, 100 * std
            panel.fill_between(at, mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
            look = {"color": colour, "marker": "o", "markersize": 3.5, "clip_on": False}
            panel.plot(at, mean, style, label=course[0][0], **look)
        panel.set_title("accuracy against the cost of training")
        panel.set_xlabel(f"{unit} of {'experts and ' if with_experts else ''}distillation steps")
        panel.set_ylabel("validation accuracy, %")
        panel.set_xlim(left=0)
        legend_below(panel, columns=2)
