"""How good a distilled set is: fresh networks trained on it, tested on real images.

The protocol of MTT (Cazenavette et al., CVPR 2022): SGD at the set's own learned rate
with momentum and weight decay, DSA, a tenfold drop of the rate with a fresh momentum
after half the epochs, one test at the end. All networks are one compiled program.
"""

import itertools
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from mttjax.config.protocol import Protocol
from mttjax.core.augmentation import dsa
from mttjax.core.networks import Network
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.testing import make_test
from mttjax.core.training import TrainState, fitting_chunk, make_epoch, sgd
from mttjax.evaluation.testing import Evaluation, on_device, tested_at_once
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_one_program, in_threads

__all__ = ["Evaluator"]


class Evaluator:
    """Trains fresh networks on sets of images; compiled once per size of set in a process.

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
        self._preprocessing = preprocessing
        self._vectorise = in_one_program() if vectorise is None else vectorise
        at_once = tested_at_once(network, protocol.networks if self._vectorise else 1)
        self._tests = {name: on_device(data, network, at_once) for name, data in tests.items()}
        chunk, optimiser = fitting_chunk(network), (protocol.momentum, protocol.weight_decay)
        how = (tuple(ops), protocol.batch, chunk, optimiser, self._vectorise)
        self._begin, self._train = _programs(network.init, network.apply, *how)
        self._test = make_test(network.apply, network.classes, at_once, self._vectorise)

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
        images, labels = jax.device_put(tuple(np.asarray(x, np.float32) for x in (images, labels)))
        epochs, networks = self.protocol.epochs, self.protocol.networks
        root = seeds.key("evaluation", seed)
        # What jax.random.split gives, by the program that every key is made by.
        keys = [jax.random.fold_in(root, number) for number in range(networks)]
        ends = np.unique(np.linspace(0, epochs, min(pieces, epochs) + 1).astype(int))
        with progress_bar(title, epochs * networks) as bar:
            run = partial(self._run, images, labels, np.float32(lr), ends, bar)
            if self._vectorise:
                scores = run(networks, jnp.stack(keys))
            else:
                of_networks = in_threads(partial(run, 1), keys)
                scores = jax.tree.map(lambda *each: np.stack(each), *of_networks)
        return {n: Evaluation.of(scores[n], labels=self._labels[n]) for n in self._tests}

    def _run(self, images, labels, lr, ends, bar, networks, key):
        """Trains and tests what ``key`` stands for: one network, or all of them in one."""
        state, drop = self._begin(key), np.int32(self.protocol.epochs // 2 + 2)
        for begin, end in itertools.pairwise(ends):
            state = self._train(state, key, images, labels, lr, drop, begin, end)
            jax.block_until_ready(state)
            bar.advance(int(end - begin) * networks)
        test = partial(self._test, state.params, self._preprocessing)
        return {name: np.asarray(test(*data)) for name, data in self._tests.items()}


class Programs(NamedTuple):
    """What trains networks, compiled once for every size of set."""

    begin: Callable[[jax.Array], TrainState]
    """``begin(key)``: what training begins from."""
    train: Callable[..., Any]
    """``train(state, key, images, labels, lr, drop, begin, end) -> state``: epochs ``begin`` to
    ``end`` - 1, the rate a tenth from epoch ``drop`` on; ``state`` is used up."""


@lru_cache(maxsize=32)
def _programs(init, apply, ops, batch, chunk, optimiser, vectorise):
    """The ``Programs`` of a way to train: the same for all sets and tests, and kept.

    What decides them are the arguments; sets, rates and epochs are given to them.
    """
    momentum, weight_decay = optimiser
    optimiser = sgd(momentum=momentum, weight_decay=weight_decay)
    one_epoch = make_epoch(
        apply,
        optimiser,
        prepare=lambda images, labels: (images, labels),
        augment=partial(dsa, ops=ops) if ops else None,
        batch=batch,
        chunk=chunk,
    )

    def train(state, key, images, labels, lr, drop, begin, end):
        def epoch(index, state):
            keep = index != drop
            kept = jax.tree.map(lambda m: m * keep, state.optimiser)
            rate = jnp.where(index >= drop, 0.1, 1.0) * lr
            state = TrainState(state.params, kept)
            return one_epoch(state, jax.random.fold_in(key, index + 1), images, labels, rate)[0]

        return lax.fori_loop(begin, end, epoch, state)

    over = jax.vmap if vectorise else (lambda function, in_axes: function)
    alike = (None,) * 6  # the set, its rate and the epochs are the same for all networks
    train = jax.jit(over(train, in_axes=(0, 0, *alike)), donate_argnums=0)
    start = jax.jit(optimiser.init)
    first = jax.vmap(init) if vectorise else init

    def begin(key):
        fold = partial(jax.random.fold_in, data=0)
        params = first(jax.vmap(fold)(key) if vectorise else fold(key))
        return TrainState(params, start(params))

    return Programs(begin, train)
