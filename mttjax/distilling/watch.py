"""Which of its states a run may fall back to, and how often it has."""

from typing import NamedTuple

import numpy as np

__all__ = ["Watch"]

TENFOLD = 10.0


class Watch(NamedTuple):
    """What a run knows about its losses since the last save, and of the saves before.

    A save is good when the steps after it have the lowest mean loss of all such intervals so
    far, and none of them was skipped. All of it is in the run's state: a run that was killed
    falls back to the state that an unkilled one does.
    """

    saved: np.ndarray
    """[] int32, the step of the last save."""
    total: np.ndarray
    """[] float64, the sum of the losses since."""
    skipped: np.ndarray
    """[] int32, how many steps were skipped in all, at that save."""
    lowest: np.ndarray
    """[] float64, the lowest mean loss of an interval; infinite before the first."""
    fallbacks: np.ndarray
    """[] int32, how often the run fell back."""

    @classmethod
    def begin(cls):
        return cls(np.int32(0), np.float64(0), np.int32(0), np.float64(np.inf), np.int32(0))

    def seen(self, loss):
        """After a step."""
        return self._replace(total=np.float64(self.total + loss))

    def mean(self, step):
        """The mean loss since the last save."""
        return self.total / (step - self.saved) if step > self.saved else np.inf

    def went_well(self, step, skipped):
        """Whether the last save turned out to be the best so far."""
        return skipped == self.skipped and self.mean(step) < self.lowest

    def after_save(self, step, skipped):
        """The interval that begins with a save."""
        lowest = self.mean(step) if self.went_well(step, skipped) else self.lowest
        return self._replace(
            saved=np.int32(step),
            total=np.float64(0),
            skipped=np.int32(skipped),
            lowest=np.float64(lowest),
        )

    def pace(self):
        """[] float32, what the moves of the run are multiplied by."""
        return np.float32(TENFOLD ** -int(self.fallbacks))
