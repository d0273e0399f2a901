"""What networks get right on real images, of all and of each class; counted in one place."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.networks import Network
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.training import classified_correctly, fitting_test_chunk
from mttjax.core.types import Params
from mttjax.system import seeds

__all__ = ["Evaluation", "is_imbalanced", "make_test", "on_device"]

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
    def of(cls, accuracies: np.ndarray, correct: np.ndarray, *, labels: np.ndarray) -> "Evaluation":
        """From what ``make_test`` says of each network, on images of these labels."""
        return cls(accuracies, correct, np.bincount(labels, minlength=correct.shape[-1]))

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


def make_test(
    network: Network, preprocessing: Preprocessing, *, networks: int = 1
) -> Callable[[Params, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """``test(params, images, labels) -> (accuracy [], correct [K])``, to be jitted.

    Args:
      network: whose parameters are tested, without augmentation.
      preprocessing: normalises the images, which are uint8.
      networks: how many are tested at once, in a ``vmap`` of it.
    """
    chunk = fitting_test_chunk(network, networks) if network.per_image else TEST_BATCH
    hits_of = partial(classified_correctly, network.apply, preprocessing.__call__, chunk=chunk)

    def test(params, images, labels):
        hits = hits_of(params, images, labels)
        correct = jnp.zeros(network.classes, jnp.int32).at[labels].add(hits.astype(jnp.int32))
        return jnp.sum(hits) / len(hits), correct

    return test


def on_device(test: tuple[np.ndarray, np.ndarray], network: Network) -> tuple[jax.Array, jax.Array]:
    """The test set; shuffled, always alike, where a batch must not be of one class."""
    images, labels = test
    if not network.per_image:
        order = seeds.rng("test_order", 0).permutation(len(labels))
        images, labels = images[order], labels[order]
    return jnp.asarray(images), jnp.asarray(labels)
