"""How good a distilled set is: fresh networks trained on it, tested on real images.

The protocol of MTT (Cazenavette et al., CVPR 2022): SGD at the set's own learned rate
with momentum and weight decay, DSA, a tenfold drop of the rate with a fresh momentum
after half the epochs, one test at the end. All networks are one compiled program.
"""

import itertools
from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from mttjax.config.protocol import Protocol
from mttjax.core.augmentation import dsa
from mttjax.core.networks import Network
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.training import TrainState, fitting_chunk, make_epoch, sgd
from mttjax.evaluation.testing import Evaluation, make_test, on_device
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_one_program, in_threads

__all__ = ["Evaluator"]


class Evaluator:
    """Trains fresh networks on sets of images; compiled once per size of set.

    Args:
      network: what is trained. One that treats a batch as a whole (batch norm) is tested on
        batches of the shuffled test set, and what it says of an image depends on its batch.
      preprocessing: normalises the test images (uint8).
      ops: the operations of DSA during training; empty for none.
      tests: name -> (images [n, H, W, C] uint8, labels [n]), the real images to test on.
      protocol: how many networks, and how they are trained.
      vectorise: train all networks in one ``vmap``; None: on accelerators. On a CPU each
        has a thread of its own, as many at once as there are cores.

    Raises:
      InputError: no network is asked for.
    """

    protocol: Protocol

    def __init__(
        self,
        network: Network,
        preprocessing: Preprocessing,
        ops: tuple[str, ...],
        tests: Mapping[str, tuple[np.ndarray, np.ndarray]],
        protocol: Protocol,
        *,
        vectorise: bool | None = None,
    ) -> None:
        if protocol.networks == 0:
            raise InputError("the protocol's networks is 0: at least 1 is needed to evaluate")
        self.protocol = protocol
        self._network = network
        self._labels = {name: labels for name, (_, labels) in tests.items()}
        self._tests = {name: on_device(data, network) for name, data in tests.items()}
        self._optimiser = sgd(momentum=protocol.momentum, weight_decay=protocol.weight_decay)
        chunk = fitting_chunk(network)
        self._epoch = make_epoch(
            network.apply,
            self._optimiser,
            prepare=lambda images, labels: (images, labels),
            augment=partial(dsa, ops=ops) if ops else None,
            batch=protocol.batch,
            chunk=chunk,
        )
        self._vectorise = in_one_program() if vectorise is None else vectorise
        over = jax.vmap if self._vectorise else (lambda function, in_axes: function)
        alike = (None,) * 5  # the set, its rate and the epochs are the same for all networks
        self._init = jax.jit(over(self._init_one, in_axes=0))
        self._train = jax.jit(over(self._train_one, in_axes=(0, 0, *alike)), donate_argnums=0)
        at_once = protocol.networks if self._vectorise else 1
        test = make_test(network, preprocessing, networks=at_once)
        self._test = jax.jit(over(test, in_axes=(0, None, None)))

    def _init_one(self, key):
        params = self._network.init(jax.random.fold_in(key, 0))
        return TrainState(params, self._optimiser.init(params))

    def _train_one(self, state, key, images, labels, lr, begin, end):
        """Epochs ``begin`` to ``end`` - 1 of one network."""
        drop = self.protocol.epochs // 2 + 2

        def epoch(index, state):
            keep = index != drop
            kept = jax.tree.map(lambda m: m * keep, state.optimiser)
            rate = jnp.where(index >= drop, 0.1, 1.0) * lr
            state = TrainState(state.params, kept)
            return self._epoch(state, jax.random.fold_in(key, index + 1), images, labels, rate)[0]

        return lax.fori_loop(begin, end, epoch, state)

    def __call__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        lr: float,
        *,
        seed: int,
        title: str = "evaluation",
        pieces: int = 20,
    ) -> dict[str, Evaluation]:
        """Trains ``protocol.networks`` networks on a set and tests each once, at the end.

        Args:
          images: [N, H, W, C] float, normalised.
          labels: [N, K] probabilities.
          lr: the rate α, such as the one learned with the set.
          seed: decides initialisations, orders and augmentations.
          title: for the progress bar.
          pieces: the epochs are run in so many calls, for the bar to move.

        Returns:
          name of the test set -> ``Evaluation``.
        """
        images, labels = jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.float32)
        epochs, networks = self.protocol.epochs, self.protocol.networks
        keys = jax.random.split(seeds.key("evaluation", seed), networks)
        ends = np.unique(np.linspace(0, epochs, min(pieces, epochs) + 1).astype(int))
        with progress_bar(title, epochs * networks) as bar:
            run = partial(self._run, images, labels, lr, ends, bar)
            if self._vectorise:
                scores = run(networks, keys)
            else:
                of_networks = in_threads(partial(run, 1), keys)
                scores = jax.tree.map(lambda *each: np.stack(each), *of_networks)
        return {n: Evaluation.of(*scores[n], labels=self._labels[n]) for n in self._tests}

    def _run(self, images, labels, lr, ends, bar, networks, key):
        """Trains and tests what ``key`` stands for: one network, or all of them in one."""
        state = self._init(key)
        for begin, end in itertools.pairwise(ends):
            state = jax.block_until_ready(self._train(state, key, images, labels, lr, begin, end))
            bar.advance(int(end - begin) * networks)
        tested = {name: self._test(state.params, *data) for name, data in self._tests.items()}
        return jax.tree.map(np.asarray, tested)
