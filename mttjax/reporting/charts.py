"""From numbers to a panel of a plot: thinned, scaled, as paths that a page draws itself."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mttjax.reporting.blocks import Panel, Plot, Tick

__all__ = ["MOST_POINTS", "Series", "plot"]

MOST_POINTS = 500
"""Of a curve; one with more steps shows means of as many neighbours each."""

_LOG_BEYOND = 20
"""The largest over the least value, from where on an axis is logarithmic."""


class Series(NamedTuple):
    """What is told of steps."""

    title: str
    steps: Sequence[float]
    values: Sequence[float]
    spread: Sequence[float] = ()
    """Of each value, up and down; none: what the thinned values lie between."""
    unit: str = ""
    smooth: bool = False
    """The line is a running mean; the values stay as a band behind it."""
    best: str = ""
    """A remark on the best value."""


def plot(series: Sequence[Series], caption: str, unit: str = "step") -> Plot | None:
    """Panels of the series that have a value, over one axis; None where none has."""
    thinned = [_thinned(one) for one in series if np.isfinite(one.values).any()]
    if not thinned:
        return None
    steps = np.concatenate([curve.steps for curve in thinned])
    first, last = int(steps.min()), int(steps.max())
    ticks = [Tick(_percent(at, first, last), f"{at:g}") for at in _ticks(first, last, whole=True)]
    if most := max(curve.each for curve in thinned) - 1:
        caption += f" A point is the mean of {most + 1} {unit}s; the pale band holds all of them."
    panels = [_panel(curve, first, last, unit) for curve in thinned]
    return Plot(caption, panels, ticks, first, last, unit)


class _Curve(NamedTuple):
    of: Series
    steps: np.ndarray
    values: np.ndarray
    low: np.ndarray
    high: np.ndarray
    each: int
    """Steps that a point is the mean of."""


def _thinned(series):
    steps, values = np.asarray(series.steps, float), np.array(series.values, float)
    values[~np.isfinite(values)] = np.nan
    spread = np.asarray(series.spread or np.zeros(len(values)), float)
    each = math.ceil(len(values) / MOST_POINTS)
    if each == 1:
        return _Curve(series, steps, values, values - spread, values + spread, 1)
    parts = np.array_split(np.arange(len(values)), math.ceil(len(values) / each))
    known = [part[np.isfinite(values[part])] for part in parts]
    of = lambda reduce, numbers: np.array(
        [reduce(numbers[part]) if len(part) else np.nan for part in known]
    )
    middles = np.array([np.median(steps[part]) for part in parts])
    low, high = of(np.min, values - spread), of(np.max, values + spread)
    return _Curve(series, np.floor(middles), of(np.mean, values), low, high, each)


def _panel(curve, first, last, unit):
    low, high = float(np.nanmin(curve.low)), float(np.nanmax(curve.high))
    log = low > 0 and high > _LOG_BEYOND * low
    place = _scale(low, high, log)
    x = np.array([_percent(step, first, last) for step in curve.steps])
    y = place(curve.values)
    smooth = max(1, len(y) // 40) if curve.of.smooth else 1
    named = curve.of.title + (", log scale" if log else "")
    return Panel(
        title=named,
        alt=_alt(named, curve, unit),
        remark=curve.of.best,
        line=_line(x, place(_smoothed(curve.values, smooth))),
        band=_band(x, place(curve.low), place(curve.high)),
        dots=_dots(x, y) if len(y) <= 60 and smooth == 1 else "",
        ticks=[
            Tick(round(float(place(np.array(v))), 2), f"{v:g}") for v in _ticks(low, high, log=log)
        ],
        points=_points(curve, x, y),
    )


def _points(curve, x, y):
    spread = curve.of.spread if curve.each == 1 else ()
    found = []
    for i in np.flatnonzero(np.isfinite(y)):
        text = f"{curve.values[i]:.4g}"
        if len(spread):
            text = f"{curve.values[i]:.1f} ± {spread[i]:.1f}"
        place = (int(curve.steps[i]), float(x[i]), round(float(y[i]), 2))
        found.append((*place, text + curve.of.unit))
    return found


def _alt(title, curve, unit):
    """The curve in words."""
    known = np.flatnonzero(np.isfinite(curve.values))
    steps, values = curve.steps[known], curve.values[known]
    at = lambda i: f"{values[i]:.4g}{curve.of.unit} at {unit} {steps[i]:g}"
    ends = f"from {at(0)} to {at(-1)}" if len(known) > 1 else at(0)
    return f"{title}: {ends}; least {at(values.argmin())}, most {at(values.argmax())}"


def _scale(low, high, log):
    """From values to per cent from the top, a little room at both ends."""
    of = np.log if log else lambda values: values
    bottom, top = float(of(np.array(low))), float(of(np.array(high)))
    room = 0.06 * (top - bottom) or 0.5 * abs(top) or 1
    return lambda values: 100 * (top + room - of(values)) / (top - bottom + 2 * room)


def _percent(step, first, last):
    return round(100 * float(step - first) / max(1, last - first), 3)


def _ticks(low, high, *, whole=False, log=False):
    """Round values from ``low`` to ``high``."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    locator = (
        LogLocator(subs=(1, 3), numticks=6)
        if log
        else MaxNLocator(4, steps=[1, 2, 2.5, 5, 10], integer=whole)
    )
    found = [v for v in locator.tick_values(low, high) if low <= v <= high]
    return found or [low]


def _smoothed(values, window):
    """Means over the ``window`` values before and after, those that are NaN left out."""
    kernel = np.ones(2 * window - 1)
    known = np.isfinite(values)
    counts = np.convolve(known, kernel, "full")[window - 1 :][: len(values)]
    sums = np.convolve(np.where(known, values, 0), kernel, "full")[window - 1 :][: len(values)]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _line(x, y):
    """A path through the points, broken where one is missing."""
    parts, pen = [], "M"
    for i in range(len(x)):
        if np.isfinite(y[i]):
            parts.append(f"{pen}{x[i]:.2f} {y[i]:.2f}")
        pen = "L" if np.isfinite(y[i]) else "M"
    return "".join(parts)


def _dots(x, y):
    return "".join(f"M{a:.2f} {b:.2f}h0" for a, b in zip(x, y, strict=True) if np.isfinite(b))


def _band(x, low, high):
    """An area between the two for each run of points without a gap."""
    known = np.isfinite(low)
    runs = np.split(np.arange(len(x)), np.flatnonzero(np.diff(known.astype(int))) + 1)
    there = (run for run in runs if len(run) and known[run[0]])
    return "".join(
        _line(np.r_[x[run], x[run[::-1]]], np.r_[high[run], low[run[::-1]]]) + "Z" for run in there
    )
