"""A window of epochs to start at that widens by itself, as far as the images can follow."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.system.metrics import read_metrics

__all__ = ["Widening"]

LAG = 10
"""A step's window follows from losses so many steps old: later ones are not known everywhere."""

TRIED_EVERY = 4
"""One step of so many starts at the next epoch, which the window has not taken in yet."""

LEAST_TRIALS = 10

BEYOND_CHANCE = 3.0
"""Standard deviations of a correlation with time that there is none of."""


class Widening:
    """``window(step) -> (low, high, T⁺)``, decided by the losses of earlier steps.

    The window begins as ``min_start`` alone. One step of four starts at the next epoch; when the
    loss there falls, or is no higher than within the window, the window takes that epoch in, and
    the one after is tried. Where the images cannot follow the experts, it stays. Cf. the trend of
    the next stage's loss in the STM of Galaxy Dataset Distillation.

    It hears of losses as a listener of ``Metrics``.

    Args:
      min_start: T⁻.
      max_start: T⁺; epochs to T⁺ - 1 are taken in.
      metrics: the ``metrics.jsonl`` of the run, for what an earlier process did.
    """

    def __init__(self, min_start: int, max_start: int, metrics: Path | None = None) -> None:
        self._low, self._top, self._path = min_start, max_start, metrics
        self._begin_anew({})

    def _begin_anew(self, losses):
        self._losses: dict[int, float] = losses
        self._high, self._heard, self._since = self._low + 1, 0, 0
        self._trials: list[float] = []
        self._inside: list[float] = []

    def __call__(self, step: int) -> tuple[int, int, int]:
        """(low, high, T⁺): the epoch to start at is low to high - 1; T⁺ is what the window ends
        before, in a step that tries the next epoch too."""
        while self._heard <= step - LAG:
            self._hear(self._heard, now=self._heard + LAG)
            self._heard += 1
        if self._high < self._top and self._tries(step):
            return self._high, self._high + 1, self._high
        return self._low, self._high, self._high

    @staticmethod
    def _tries(step):
        return step % TRIED_EVERY == TRIED_EVERY - 1

    def _hear(self, step, now):
        loss = self._losses.get(step)
        if loss is None or step < self._since or self._high == self._top:
            return
        (self._trials if self._tries(step) else self._inside).append(loss)
        if self._tries(step) and self._follows():
            self._high, self._since = self._high + 1, now
            self._trials, self._inside = [], []

    def _follows(self):
        """Whether the images make headway from the next epoch."""
        n = len(self._trials)
        if n < LEAST_TRIALS:
            return False
        if statistics.fmean(self._trials) <= statistics.fmean(self._inside[-3 * n :]):
            return True
        trend = np.corrcoef(np.arange(n), self._trials)[0, 1]
        return bool(trend < -BEYOND_CHANCE / math.sqrt(n - 2))

    def write(self, line: Mapping[str, Any]) -> None:
        """See ``Listener``; a step's number counts from 1."""
        if line.get("loss") is not None:
            self._losses[line["step"] - 1] = line["loss"]

    def flush(self) -> None:
        """See ``Listener``."""

    def forget_after(self, step: int) -> None:
        """See ``Listener``: what is known is what the file says of the steps to this one."""
        lines = read_metrics(self._path) if self._path and self._path.exists() else []
        self._begin_anew({})
        for line in lines:
            if line["step"] <= step:
                self.write(line)
