"""One look for all plots: axes that become a PNG, and the colours of their lines."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.system.files import atomically

__all__ = ["BLUE", "INK", "ORANGE", "PALE", "PALE_ORANGE", "figure", "legend_below", "shades"]

BLUE, PALE = "#2563ab", "#b9cfe6"
ORANGE, PALE_ORANGE = "#c8600f", "#efcda9"
INK = "#464a52"
_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "lines.linewidth": 1.5,
    "legend.frameon": False,
}


@contextlib.contextmanager
def figure(
    path: str | Path, size: tuple[float, float], rows: int = 1, columns: int = 1, **how: Any
) -> Iterator[np.ndarray]:
    """Axes [rows, columns] that are written as ``path`` when the block ends.

    Args:
      path: the PNG, written atomically; equal drawings give equal bytes.
      size: (width, height) in inches.
      rows, columns: how many panels.
      how: ``sharex`` or ``sharey``, as matplotlib has them.
    """
    from matplotlib import style
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with style.context(["default", _STYLE]):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
        canvas = Figure(size, dpi=140, layout=layout)
        yield canvas.subplots(rows, columns, squeeze=False, **how)
        with atomically(path) as file:
            canvas.savefig(file, format="png", metadata={"Software": None})


def legend_below(panel: Any, columns: int = 4) -> None:
    """The legend of a panel's lines, below all panels, where it covers no data."""
    handles, labels = panel.get_legend_handles_labels()
    columns = min(columns, len(labels))
    panel.figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def shades(count: int) -> list[tuple[float, ...]]:
    """Colours for ``count`` lines in an order, from light to dark; told apart in grey too."""
    from matplotlib import colormaps

    places = [0.75 * (1 - i / max(1, count - 1)) for i in range(count)] if count > 1 else [0.3]
    return [colormaps["viridis"](place) for place in places]
