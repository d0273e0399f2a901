"""What networks get right on real images, of all and of each class; counted in one place."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mttjax.core.networks import Network
from mttjax.core.testing import filled_up, share_of
from mttjax.core.training import fitting_test_chunk
from mttjax.system import seeds

__all__ = ["Evaluation", "is_imbalanced", "on_device", "tested_at_once"]

TEST_BATCH = 256  # images that a network with batch norm is tested on at once


class Evaluation(NamedTuple):
    """How well networks did on a test set."""

    accuracies: np.ndarray
    """[networks] of all images, in [0, 1]."""
    correct: np.ndarray
    """[networks, K] how many images of each class were classified correctly."""
    tested: np.ndarray
    """[K] how many there are of each class."""

    @classmethod
    def of(cls, correct: np.ndarray, *, labels: np.ndarray) -> "Evaluation":
        """From what each network got right of images of these labels."""
        tested = np.bincount(labels, minlength=correct.shape[-1])
        return cls(share_of(correct, len(labels)), correct, tested)

    @property
    def mean(self) -> float:
        """Of the networks."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float:
        """The population standard deviation, as the papers report it."""
        return float(np.std(self.accuracies))

    @property
    def balanced(self) -> np.ndarray:
        """[networks] the mean of the accuracies of the classes that the test set has."""
        there = self.tested > 0
        return np.mean(self.correct[:, there] / self.tested[there], axis=1)

    def per_class(self) -> list[float | None]:
        """The mean accuracy of each class; None of one that the test set has not."""
        correct = np.mean(self.correct, axis=0)
        return [float(c / n) if n else None for c, n in zip(correct, self.tested, strict=True)]

    def record(self) -> dict[str, Any]:
        """For JSON; ``Evaluation.from_record`` takes it back."""
        return {
            "mean": self.mean,
            "std": self.std,
            "networks": len(self.accuracies),
            "accuracies": [float(a) for a in self.accuracies],
            "balanced": {
                "mean": float(np.mean(self.balanced)),
                "std": float(np.std(self.balanced)),
            },
            "per_class": self.per_class(),
            "correct": self.correct.tolist(),
            "tested": self.tested.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Evaluation":
        """What ``record`` wrote."""
        return cls(*(np.array(record[name]) for name in cls._fields))


def is_imbalanced(tested: Sequence[int]) -> bool:
    """Whether a test set of so many images of each class has more of one than of another."""
    return len({count for count in tested if count}) > 1


def tested_at_once(network: Network) -> int:
    """How many images to test on at once."""
    return fitting_test_chunk(network) if network.per_image else TEST_BATCH


def on_device(
    test: tuple[np.ndarray, np.ndarray], network: Network, chunk: int
) -> tuple[jax.Array, jax.Array]:
    """The test set, in whole chunks; shuffled, always alike, where a batch must not be of one
    class."""
    images, labels = test
    if network.per_image:
        return jax.device_put(filled_up(images, labels, chunk))
    order = seeds.rng("test_order", 0).permutation(len(labels))
    return jax.device_put((images[order], labels[order]))
