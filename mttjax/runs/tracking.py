"""What a run tells TensorBoard or Weights & Biases of its steps, evaluations and sets."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from mttjax.config.settings import Settings
from mttjax.distilled import DistilledSet
from mttjax.reporting.grids import grid_of
from mttjax.reporting.trackers import TRACKERS, Tracker
from mttjax.runs.folder import RunFolder

__all__ = ["Telling", "tracking"]

_SCORES = {"evaluation": "accuracy/validation", "test": "accuracy/test"}


class Telling:
    """A ``Listener`` of a run's metrics that tells every tracker the numbers."""

    def __init__(self, trackers: list[Tracker]) -> None:
        self._trackers = trackers

    def write(self, line: Mapping[str, Any]) -> None:
        """Numbers by their names in ``metrics.jsonl``; an evaluation's mean and deviation."""
        numbers = {n: v for n, v in line.items() if isinstance(v, int | float) and n != "step"}
        for name, called in _SCORES.items():
            if name in line:
                numbers |= {called: line[name]["mean"], f"{called}_std": line[name]["std"]}
        for tracker in self._trackers:
            tracker.numbers(line["step"], numbers)

    def forget_after(self, step: int) -> None:
        """What comes begins after ``step``."""
        for tracker in self._trackers:
            tracker.begin(step)

    def flush(self) -> None:
        """To the disk, as a state is about to be."""
        for tracker in self._trackers:
            tracker.flush()

    def images(self, distilled: DistilledSet, step: int) -> None:
        """A grid of a set, and the histogram of its pixels, in [0, 1] where a screen shows them."""
        if not self._trackers:
            return
        picture = grid_of(distilled)
        pixels = distilled.unclipped_pixels()
        for tracker in self._trackers:
            tracker.images(step, picture, pixels)


@contextlib.contextmanager
def tracking(settings: Settings[Any], folder: RunFolder) -> Iterator[Telling]:
    """Within the block the trackers that the settings name hear of a run.

    Raises:
      InputError: the package of one is not installed.
    """
    name, decisive = folder.path.name, settings.decisive()
    trackers = [TRACKERS[t](folder.path, name, decisive) for t in dict.fromkeys(settings.log)]
    telling = Telling(trackers)
    folder.metrics_log.listeners.append(telling)
    try:
        yield telling
    finally:
        folder.metrics_log.listeners.remove(telling)
        for tracker in trackers:
            tracker.close()
