"""A run's metrics over its steps and the experts' accuracies over their epochs, as plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.reporting.blocks import Plot
from mttjax.reporting.charts import Series, plot
from mttjax.reporting.plots import BLUE, PALE, figure
from mttjax.system.errors import InputError

__all__ = ["expert_curves", "run_curves", "save_expert_curves"]

_SCORES = {"evaluation": "accuracy on validation", "test": "accuracy on test"}
"""The members of a run's metrics that are evaluations, and what they are called."""


def run_curves(
    records: Sequence[Mapping[str, Any]], *, loss: str = "loss", rate: str | None = None
) -> Plot | None:
    """A run's loss, learned rate and accuracies over its steps; None where there is no step.

    Args:
      records: of its ``metrics.jsonl``; what they lack is left out.
      loss: what the loss is called.
      rate: what the rate is called; None: it is not learned, and no curve is drawn of it.
    """
    series = [_numbers(records, "loss", loss, smooth=True)]
    if rate:
        series.append(_numbers(records, "lr", rate))
    window = _numbers(records, "max_start", "upper end of the epochs to start at")
    if grows := len(set(window.values)) > 1:
        series.append(window)
    series += [_scores(records, name, title) for name, title in _SCORES.items()]
    told = ((loss, True), (rate, rate), (window.title, grows))
    names = [title for title, is_told in told if is_told]
    accuracies = "accuracy" if any(len(s.steps) for s in series[len(names) :]) else ""
    caption = ", ".join(filter(None, [*names, accuracies])).capitalize() + " over the steps."
    if len(series[0].steps) >= 80:
        caption += " The line of the loss is a running mean, the band behind it what is recorded."
    if accuracies:
        caption += " The band of an accuracy is ± 1 standard deviation of the networks."
    return plot(series, caption)


def expert_curves(accuracies: Sequence[Mapping[int, float]]) -> Plot | None:
    """The mean of the experts' test accuracies over their epochs, between the least and the most.

    Args:
      accuracies: of each expert: epoch -> test accuracy in [0, 1].
    """
    by_epoch = _by_epoch(accuracies)
    means = [float(np.mean(values)) for values in by_epoch.values()]
    spread = [float(np.std(values)) for values in by_epoch.values()]
    series = Series(f"test accuracy of {len(accuracies)} experts", list(by_epoch), means, spread)
    caption = "Mean test accuracy of the experts over their epochs; the band is ± 1 standard "
    return plot([series._replace(unit=" %")], caption + "deviation.", "epoch")


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
    by_epoch = _by_epoch(accuracies)
    if not by_epoch:
        raise InputError("no expert has finished an epoch; train them with train_experts")
    mean = [np.mean(values) for values in by_epoch.values()]
    with figure(path, (6.4, 4), 1, 1) as axes:
        panel = axes[0, 0]
        for curve in accuracies:
            panel.plot(list(curve), [100 * a for a in curve.values()], color=PALE, linewidth=0.8)
        panel.plot(list(by_epoch), mean, color=BLUE, marker="o", markersize=3)
        panel.set_title(f"test accuracy of {len(accuracies)} experts and their mean, %")
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
    return Path(path)


def _by_epoch(accuracies):
    """epoch -> the accuracies in % of the experts that have finished it."""
    epochs = sorted(set().union(*accuracies))
    return {epoch: [100 * c[epoch] for c in accuracies if epoch in c] for epoch in epochs}


def _numbers(records, name, title, **how):
    pairs = [(r["step"], r[name]) for r in records if isinstance(r.get(name), int | float)]
    steps, values = zip(*pairs, strict=True) if pairs else ((), ())
    return Series(title, steps, values, **how)


def _scores(records, name, title):
    found = [(r["step"], r[name]) for r in records if r.get(name)]
    steps = [step for step, _ in found]
    mean, std = ([100 * e.get(n, 0) for _, e in found] for n in ("mean", "std"))
    best = ""
    if found:
        # As the loop keeps it: of equal ones, in float32, on validation the last, on test the
        # first.
        shares = np.float32(mean) / np.float32(100)
        at = np.flatnonzero(shares == shares.max())[0 if name == "test" else -1]
        best = f"best {mean[at]:.1f} % at step {steps[at]}"
    return Series(title, steps, mean, std, unit=" %", best=best)
