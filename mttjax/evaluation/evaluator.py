"""How good a distilled set is: fresh networks trained on it, tested on real images.

The protocol of MTT (Cazenavette et al., CVPR 2022): SGD at the set's own learned rate
with momentum and weight decay, DSA, a tenfold drop of the rate with a fresh momentum
after half the epochs, one test at the end. Every network is trained by the same compiled program,
on several devices by one compiled for each.
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
from mttjax.system.console import tell
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.team import ALONE, Team
from mttjax.system.threads import at_once, in_threads

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
      team: the processes that train them together; all of them evaluate at once.

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
        team: Team = ALONE,
    ) -> None:
        if protocol.networks == 0:
            raise InputError("the protocol's networks is 0: at least 1 is needed to evaluate")
        self.protocol, self._team = protocol, team
        self._network = network
        self._labels = {name: labels for name, (_, labels) in tests.items()}
        self._preprocessing = preprocessing
        chunk = tested_at_once(network)
        self._tests = {name: on_device(data, network, chunk) for name, data in tests.items()}
        self._test = make_test(network.apply, network.classes, chunk)
        optimiser = (protocol.momentum, protocol.weight_decay)
        how = (tuple(ops), protocol.batch, fitting_chunk(network), optimiser)
        self._begin, self._train = _programs(network.init, network.apply, *how)

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
        own = self._team.own(networks)
        with progress_bar(title, epochs * len(own)) as bar:
            run = partial(self._run, images, labels, np.float32(lr), ends, bar)
            how = {"workers": at_once(), "devices": jax.local_devices()}
            each = self._team.completed(networks, in_threads(run, [keys[i] for i in own], **how))
        if diverged := sum(not finite for _, finite in each):
            tell(
                f"{title}: {diverged} of {networks} networks diverged at the rate {lr:.3g}; they "
                "count as they are, at chance"
            )
        scores = jax.tree.map(lambda *of_each: np.stack(of_each), *(tested for tested, _ in each))
        return {n: Evaluation.of(scores[n], labels=self._labels[n]) for n in self._tests}

    def _run(self, images, labels, lr, ends, bar, key):
        """(what the network that ``key`` stands for gets right, whether it is finite)."""
        state, drop = self._begin(key), np.int32(self.protocol.epochs // 2 + 2)
        for begin, end in itertools.pairwise(ends):
            state = self._train(state, key, images, labels, lr, drop, begin, end)
            jax.block_until_ready(state)
            bar.advance(int(end - begin))
        test = partial(self._test, state.params, self._preprocessing)
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.params))
        return {name: np.asarray(test(*data)) for name, data in self._tests.items()}, finite


class Programs(NamedTuple):
    """What trains networks, compiled once for every size of set."""

    begin: Callable[[jax.Array], TrainState]
    """``begin(key)``: what training begins from."""
    train: Callable[..., Any]
    """``train(state, key, images, labels, lr, drop, begin, end) -> state``: epochs ``begin`` to
    ``end`` - 1, the rate a tenth from epoch ``drop`` on; ``state`` is used up."""


@lru_cache(maxsize=32)
def _programs(init, apply, ops, batch, chunk, optimiser):
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

    start = jax.jit(optimiser.init)

    def begin(key):
        params = init(jax.random.fold_in(key, 0))
        return TrainState(params, start(params))

    return Programs(begin, jax.jit(train, donate_argnums=0))
