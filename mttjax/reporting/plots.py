"""One look for all plots: axes that become a PNG, and the colours of their lines."""

import contextlib

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
def figure(path, size, rows=1, columns=1, **how):
    """Axes [rows, columns] that are written as ``path`` when the block ends.

    Args:
      path: the PNG, written atomically; equal drawings give equal bytes.
      size: (width, height) in inches.
      rows, columns: how many panels.
      how: ``sharex`` or ``sharey``, as matplotlib has them.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]):
        canvas = Figure(size, dpi=140, layout="constrained")
        canvas.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        yield canvas.subplots(rows, columns, squeeze=False, **how)
        with atomically(path) as file:
            canvas.savefig(file, format="png", metadata={"Software": None})


def legend_below(panel, columns=4):
    """The legend of a panel's lines, below all panels, where it covers no data."""
    handles, labels = panel.get_legend_handles_labels()
    columns = min(columns, len(labels))
    panel.figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def shades(count):
    """Colours for ``count`` lines in an order, from light to dark; told apart in grey too."""
    from matplotlib import colormaps

    places = [0.75 * (1 - i / max(1, count - 1)) for i in range(count)] if count > 1 else [0.3]
    return [colormaps["viridis"](place) for place in places]
