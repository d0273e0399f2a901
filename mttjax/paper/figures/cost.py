"""Training cost: a run's validation accuracy against the seconds that its steps took.

The cost of making a set, which Cazenavette et al., CVPR 2022, section 3.3, are concerned with.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mttjax.config.settings import settings_from
from mttjax.experts.store import ExpertStore
from mttjax.paper.csv_file import write_csv
from mttjax.reporting.plots import figure, legend_below
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError

__all__ = ["HEADERS", "draw_cost", "read_course"]

Point = tuple[str, int, float, float, float, int]
HEADERS = ("run", "step", "seconds", "mean", "std", "networks")

_COLOURS = ("#2563ab", "#c8600f", "#2a8c4a", "#8e4ec6", "#b3261e", "#00838f", "#7a5c00", "#464a52")


def read_course(
    run: RunFolder, *, experts: ExpertStore | None = None, name: str | None = None
) -> list[Point]:
    """The evaluations of a run, a row of ``HEADERS`` each; accuracies in [0, 1].

    The seconds are those of the steps so far, without evaluations and compiling.

    Args:
      run: the run's folder.
      experts: those that an MTT run read: the seconds of the epochs it read are added to all
        of its own. None: they are not.
      name: what to call it; None: the folder's name.

    Raises:
      InputError: no evaluations there, or experts of another network.
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
            points.append((name or run.path.name, record["step"], seconds, *numbers))
    return points


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
    write_csv(folder / "cost.csv", HEADERS, [point for course in courses for point in course])
    _plot(folder / "cost.png", courses, store is not None)
    return [folder / "cost.csv", folder / "cost.png"]


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
