"""A run's metrics over its steps, and the experts' accuracies over their epochs, as PNGs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mttjax.reporting.plots import BLUE, PALE, figure
from mttjax.system.errors import InputError
from mttjax.system.metrics import read_metrics

__all__ = ["save_curves", "save_expert_curves"]


def save_curves(
    path: str | Path,
    metrics_path: str | Path,
    *,
    loss_title: str = "loss",
    rate_title: str | None = "learned rate α",
) -> Path:
    """Draws a run: loss, learned rate, validation accuracy and time per step.

    Args:
      path: the PNG, written atomically; equal metrics give equal bytes.
      metrics_path: the run's ``metrics.jsonl``; what it lacks is left blank.
      loss_title: what the loss is, the first panel's title.
      rate_title: what the rate is; None: it is not learned, and no panel is drawn of it.

    Returns:
      ``path``.

    Raises:
      InputError: what ``read_metrics`` raises.
    """
    records = read_metrics(metrics_path)
    size, rows, columns = ((9.6, 6.4), 2, 2) if rate_title else ((9.6, 3.2), 1, 3)
    with figure(path, size, rows, columns) as axes:
        loss, *rates, accuracy, seconds = axes.flat
        _draw_series(loss, records, "loss", loss_title)
        for rate in rates:
            _draw_series(rate, records, "lr", f"{rate_title}, log scale", smooth=False, log=True)
        _draw_evaluations(accuracy, records)
        _draw_series(seconds, records, "seconds", "seconds per step", outliers=False)
        for panel in axes.flat:
            panel.set_xlabel("step")
            panel.xaxis.get_major_locator().set_params(integer=True)
    return Path(path)


def save_expert_curves(path: str | Path, accuracies: Sequence[Mapping[int, float]]) -> Path:
    """Draws every expert's test accuracy over its epochs, and their mean.

    Args:
      path: the PNG, written atomically.
      accuracies: of each expert: epoch -> test accuracy in [0, 1].

    Returns:
      ``path``.

    Raises:
      InputError: no expert has an epoch yet.
    """
    epochs = sorted(set().union(*accuracies))
    if not epochs:
        raise InputError("no expert has finished an epoch; train them with train_experts")
    mean = [100 * np.mean([c[epoch] for c in accuracies if epoch in c]) for epoch in epochs]
    with figure(path, (6.4, 4), 1, 1) as axes:
        panel = axes[0, 0]
        for curve in accuracies:
            panel.plot(list(curve), [100 * a for a in curve.values()], color=PALE, linewidth=0.8)
        panel.plot(epochs, mean, color=BLUE, marker="o", markersize=3)
        panel.set_title(f"test accuracy of {len(accuracies)} experts and their mean, %")
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
    return Path(path)


def _draw_series(axes, records, name, title, *, smooth=True, log=False, outliers=True):
    axes.set_title(title)
    pairs = [(r["step"], r[name]) for r in records if isinstance(r.get(name), int | float)]
    if not pairs:
        _say(axes, "not recorded")
        return
    steps, values = np.array(pairs, float).T
    values[~np.isfinite(values)] = np.nan
    if not outliers and np.isfinite(values).any():  # compiling makes the first step a long one
        values[values > 5 * np.nanmedian(values)] = np.nan
        axes.set_ylim(0, 1.3 * np.nanmax(values) or 1)
    if log:
        values[values <= 0] = np.nan
        _log_scale(axes, values)
    window = max(1, len(values) // 40) if smooth else 1
    if window > 1:
        axes.plot(steps, values, color=PALE, linewidth=0.7)
    # A point is seen where a line of one step is not.
    marker = "o" if len(values) == 1 else None
    axes.plot(steps, _smoothed(values, window), color=BLUE, marker=marker)


def _smoothed(values, window):
    """Means over the ``window`` values before and after, those that are NaN left out."""
    kernel = np.ones(2 * window - 1)
    known = np.isfinite(values)
    counts = np.convolve(known, kernel, "full")[window - 1 :][: len(values)]
    sums = np.convolve(np.where(known, values, 0), kernel, "full")[window - 1 :][: len(values)]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _draw_evaluations(axes, records):
    """On validation; of a run that has no validation images on test."""
    name = "evaluation" if any(r.get("evaluation") for r in records) else "test"
    evaluations = [(r["step"], r[name]) for r in records if r.get(name)]
    tested = "test" if evaluations and name == "test" else "validation"
    axes.set_title(f"{tested} accuracy, %")
    if not evaluations:
        _say(axes, "not evaluated yet")
        return
    steps = [step for step, _ in evaluations]
    mean, std = (np.array([100 * e.get(n, 0) for _, e in evaluations]) for n in ("mean", "std"))
    axes.fill_between(steps, mean - std, mean + std, color=PALE, alpha=0.6, linewidth=0)
    axes.plot(steps, mean, color=BLUE, marker="o", markersize=3.5)
    # As the loop keeps it: of equal ones, in float32, on validation the last, on test the first.
    equal = np.flatnonzero(np.float32(mean / 100) == np.float32(mean / 100).max())
    best = equal[0 if name == "test" else -1]
    label = f"best {mean[best]:.1f} at step {steps[best]}"
    axes.text(0.98, 0.04, label, transform=axes.transAxes, ha="right", color="#464a52")


def _log_scale(axes, values):
    from matplotlib.ticker import MaxNLocator, NullLocator

    axes.set_yscale("log")
    known = values[np.isfinite(values)]
    if known.size and known.max() < 10 * known.min():
        # Within a decade the ticks of a log axis are one or none.
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")


def _say(axes, text):
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#8a8f98")
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axes.grid(False)
