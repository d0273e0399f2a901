"""The picture of the distances: a panel per start epoch, a thin line per expert, their means."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mttjax.reporting.plots import BLUE, INK, ORANGE, PALE, PALE_ORANGE, figure, legend_below

__all__ = ["plot_distances"]

_LOOKS = {"distilled": (BLUE, PALE, "distilled set"), "real": (ORANGE, PALE_ORANGE, "real images")}
_COLUMNS = 3
_TOP = 2.0  # a student that diverges would press all others to the axis


def plot_distances(
    path: Path,
    rows: Sequence[tuple[str, int, int, int, int, float | None]],
    dataset: str,
    student_steps: int | None,
) -> None:
    """Draws distances against steps.

    Args:
      path: the PNG.
      rows: (data, expert, start, target, step, distance or None) each.
      dataset: its name, for the title.
      student_steps: S of the distillation, marked; or None.
    """
    starts = sorted({(row[2], row[3]) for row in rows})
    columns = min(_COLUMNS, len(starts))
    lines = -(-len(starts) // columns)
    size = (max(6.4, 3.5 * columns), 0.9 + 3.1 * lines)
    with figure(path, size, lines, columns, sharey=True, sharex=True) as axes:
        for panel, (start, target) in zip(axes.flat, starts, strict=False):
            mine = [row for row in rows if row[2] == start]
            _draw_panel(panel, mine, student_steps)
            panel.set_title(f"expert's epoch {start} to {target}")
        for panel in axes.flat[len(starts) :]:
            panel.set_visible(False)
        highest = max(row[5] for row in rows if row[5] is not None)
        axes[0, 0].set_ylim(0, 1.05 * min(highest, _TOP))
        for panel in axes[:, 0]:
            panel.set_ylabel("‖θ - θ*‖² / ‖θ₀ - θ*‖²")
        cut = f"; above {_TOP:g} not shown" if highest > _TOP else ""
        experts = len({row[1] for row in rows})
        held = "one expert" if experts == 1 else f"{experts} experts"
        title = f"{dataset}: squared distance to the target of {held} along training{cut}"
        axes[0, 0].figure.suptitle(title, x=0.02, ha="left", fontsize=11)
        legend_below(axes[0, 0])


def _draw_panel(panel, rows, student_steps):
    for data, (colour, pale, label) in _LOOKS.items():
        experts = sorted({row[1] for row in rows})
        curves = [[row[4:] for row in rows if row[:2] == (data, expert)] for expert in experts]
        arrays = np.array(curves, float)  # [experts, points, 2]; None becomes NaN
        for curve in arrays if len(arrays) > 1 else ():
            panel.plot(*curve.T, color=pale, linewidth=0.9)
        panel.plot(*arrays.mean(axis=0).T, color=colour, linewidth=2.2, label=label)
    if student_steps and student_steps <= max(row[4] for row in rows):
        label = f"S = {student_steps}, as distilled"
        panel.axvline(student_steps, color=INK, linewidth=0.9, linestyle=":", label=label)
    panel.set_xlabel("training steps")
    panel.xaxis.get_major_locator().set_params(integer=True)
