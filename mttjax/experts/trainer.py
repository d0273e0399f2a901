"""An epoch of networks on all real images, with its test: what trains experts and others."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import optax

from mttjax.core.augmentation import dsa
from mttjax.core.flat import Flat
from mttjax.core.networks import Network
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.testing import filled_up, make_test, share_of
from mttjax.core.training import (
    EpochRecord,
    TrainState,
    fitting_chunk,
    fitting_test_chunk,
    make_epoch,
)
from mttjax.core.types import Params
from mttjax.datasets.dataset import Dataset
from mttjax.system.threads import Copies, in_threads

__all__ = ["Trained", "Trainer"]


class Trained(NamedTuple):
    """A network after an epoch."""

    state: TrainState
    seen: EpochRecord
    test_accuracy: float
    """In [0, 1]."""


class Trainer:
    """Trains networks on all training images: compiled once for a device, the data on it.

    Args:
      network: what is trained.
      preprocessing: of the real images.
      ops: the operations of DSA; empty for none.
      optimiser: what ``core.training.sgd`` returns.
      batch: B.
      dataset: its training images are trained on, its test images tested on.
      flat: see ``make_epoch``.
    """

    def __init__(
        self,
        network: Network,
        preprocessing: Preprocessing,
        ops: tuple[str, ...],
        optimiser: optax.GradientTransformation,
        batch: int,
        dataset: Dataset,
        flat: Flat | None = None,
    ) -> None:
        self._optimiser = optimiser
        self._tested, test_chunk = len(dataset.test.labels), fitting_test_chunk(network)
        images, labels = dataset.test
        if network.per_image:
            images, labels = filled_up(images, labels, test_chunk)
        self._train = Copies(lambda: jax.device_put(tuple(dataset.train)))
        self._test = Copies(lambda: (preprocessing, *jax.device_put((images, labels))))
        epoch = make_epoch(
            network.apply,
            optimiser,
            prepare=lambda x, y: (preprocessing(x), jax.nn.one_hot(y, network.classes)),
            augment=partial(dsa, ops=ops) if ops else None,
            batch=batch,
            chunk=fitting_chunk(network),
            flat=flat,
        )
        self._epoch = jax.jit(epoch, donate_argnums=0)
        self._correct = make_test(network.apply, network.classes, test_chunk)

    def state(self, params: Params) -> TrainState:
        """What training begins from, at ``params``."""
        return TrainState(params, self._optimiser.init(params))

    def epoch(self, state: TrainState, key: jax.Array, lr: float) -> tuple[TrainState, EpochRecord]:
        """An epoch of one network; ``state`` is used up. Threads may call it at once, on several
        devices."""
        return jax.block_until_ready(self._epoch(state, key, *self._train.here(), lr))

    def accuracy(self, params: Params) -> float:
        """The test accuracy of one network."""
        correct = np.asarray(self._correct(params, *self._test.here()))
        return float(share_of(correct, self._tested))

    def epochs(
        self, states: Sequence[TrainState], keys: Sequence[jax.Array], lr: float
    ) -> list[Trained]:
        """An epoch of several networks at once, each in a thread; on device i modulo their number
        where this process has several."""
        how = {"workers": len(states), "devices": jax.local_devices()}
        return in_threads(partial(self._one, lr), states, keys, **how)

    def _one(self, lr, state, key):
        state, seen = self.epoch(state, key, lr)
        return Trained(state, seen, self.accuracy(state.params))
