"""Training experts on the real images, a snapshot after every epoch.

MTT's recipe (Cazenavette et al., CVPR 2022): plain SGD at rate .01, batch 256, DSA; the
whole epoch is one compiled scan on the device.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.augmentation import dsa
from mttjax.core.networks import make_network
from mttjax.core.preprocessing import fit_preprocessing
from mttjax.core.training import TrainState, accuracy, cache_chunk, make_epoch, sgd
from mttjax.experts.recipe import recipe_record
from mttjax.experts.store import ExpertStore
from mttjax.system.locks import exclusive
from mttjax.system.progress import progress_bar
from mttjax.system.signals import Stopped, stop_requested
from mttjax.system.threads import cores, in_one_program, in_threads

__all__ = ["train_experts"]


def train_experts(dataset, recipe, folder, *, experts, epochs, parallel=None, log=print):
    """Trains experts 0 to ``experts - 1`` to ``epochs`` epochs each; goes on where it stopped.

    Args:
      dataset: a ``Dataset`` of uint8 images.
      recipe: a ``Recipe``.
      folder: the store's folder.
      experts: E, at least 1.
      epochs: T, at least 1; epoch 0 is the initialisation.
      parallel: how many to train at once; None: one per core on CPU, where each has a
        thread and its snapshots do not depend on this; ten on an accelerator, in one vmap.
      log: called with a line of text per expert (or group of experts) trained.

    Returns:
      The ``ExpertStore``.

    Raises:
      InputError: the folder holds experts of another recipe, or another process is at work in it.
      Stopped: SIGINT or SIGTERM came; the epoch in hand was finished and saved.
      ValueError: no experts or no epochs asked for.
    """
    if experts < 1 or epochs < 1:
        raise ValueError(f"at least 1 expert and 1 epoch are needed, got {experts} and {epochs}")
    with exclusive(folder):
        return _train(dataset, recipe, ExpertStore(folder, log), experts, epochs, parallel, log)


def _train(dataset, recipe, store, experts, epochs, parallel, log):
    record = recipe_record(recipe, dataset)
    if store.manifest is None:
        images = np.ascontiguousarray(dataset.train.images)
        preprocessing = fit_preprocessing(
            recipe.preprocessing, images, dataset=recipe.statistics or dataset.name
        )
        store.create(record, preprocessing)
    store.require(record)
    missing = [store.missing(expert, epochs) for expert in range(experts)]
    count = sum(map(len, missing))
    if count == 0:
        log(f"{experts} experts of {epochs} epochs are there already: {store.folder}")
        return store
    parallel = parallel or (10 if in_one_program() else cores())
    train = _Trainer(dataset, recipe, store)
    total = experts * (epochs + 1)
    with progress_bar("experts", total, total - count) as bar, stop_requested() as stopped:
        for group in _groups(missing, parallel):
            train(group, missing[group[0]], epochs, bar, stopped)
            last = [store.record(expert, epochs)["test_accuracy"] for expert in group]
            names = f"expert {group[0]}" if len(group) == 1 else f"experts {group[0]}-{group[-1]}"
            log(f"{names}: test accuracy {100 * np.mean(last):.2f} % after {epochs} epochs")
    return store


def _groups(missing, parallel):
    """Experts that lack the same epochs, ``parallel`` at a time, those that lack least first."""
    for lacking in sorted(set(map(tuple, missing)), key=lambda lacking: (len(lacking), lacking)):
        numbers = [e for e, own in enumerate(missing) if tuple(own) == lacking]
        for begin in range(0, len(numbers) if lacking else 0, parallel):
            yield numbers[begin : begin + parallel]


class _Trainer:
    """The compiled epoch and test, and the data on the device."""

    def __init__(self, dataset, recipe, store):
        self.store, self.recipe = store, recipe
        preprocessing = store.preprocessing
        classes = len(dataset.class_names)
        shape = dataset.train.images.shape[1:]
        self.network = make_network(recipe.network, shape, classes)
        self.train = tuple(map(jnp.asarray, dataset.train))
        self.test = tuple(map(jnp.asarray, dataset.test))
        chunk = cache_chunk(shape, jax.default_backend()) if self.network.per_image else None
        self._epoch = make_epoch(
            self.network.apply,
            sgd(),
            prepare=lambda x, y: (preprocessing(x), jax.nn.one_hot(y, classes)),
            augment=partial(dsa, ops=recipe.ops) if recipe.ops else None,
            batch=recipe.batch,
            chunk=chunk,
        )
        self._accuracy = partial(accuracy, self.network.apply, preprocessing, chunk=chunk or 1000)
        # One network is not vmapped: under vmap every augmentation of the switch is computed.
        self._one = jax.jit(self._epoch_and_test, donate_argnums=0)
        self._many = jax.jit(
            jax.vmap(self._epoch_and_test, in_axes=(0, 0, None, None)), donate_argnums=0
        )

    def _epoch_and_test(self, params, key, train, test):
        state = TrainState(params, sgd().init(params))
        state, record = self._epoch(state, key, *train, self.recipe.lr)
        return state.params, record, self._accuracy(state.params, *test)

    def __call__(self, group, missing, epochs, bar, stopped):
        """Trains the epochs ``missing`` of the experts of a group, and what follows from them."""
        root = jax.random.key(self.recipe.seed)
        keys = [jax.random.fold_in(root, expert) for expert in group]
        params, missing = None, set(missing)
        for epoch in range(min(missing), epochs + 1):
            if epoch not in missing:
                params = None
                continue
            params = self._before(group, epoch, keys) if params is None else params
            params, records, correct = self._trained(params, keys, epoch)
            same = [
                self.store.save(expert, epoch, p, record=record, correct=c)
                for expert, p, record, c in zip(group, params, records, correct, strict=True)
            ]
            if not all(same):  # what was trained from another snapshot does not follow from this
                missing |= set(range(epoch + 1, epochs + 1))
            accuracies = [record.get("test_accuracy", 0) for record in records]
            note = f"expert {group[-1]} epoch {epoch}: test {100 * np.mean(accuracies):.1f} %"
            bar.advance(len(group), note)
            if stopped():
                raise Stopped(stopped(), f"after epoch {epoch} of expert {group[-1]}")

    def _before(self, group, epoch, keys):
        """The parameters that an epoch begins with; those of epoch 0 are what it ends with."""
        if epoch == 0:
            return [self.network.init(jax.random.fold_in(k, 0)) for k in keys]
        like = jax.eval_shape(self.network.init, keys[0])
        return [self.store.load(expert, epoch - 1, like) for expert in group]

    def _trained(self, params, keys, epoch):
        """(parameters, records for the manifest, images known) of every expert after an epoch."""
        if epoch == 0:
            return params, [{}] * len(params), [None] * len(params)
        begin = time.perf_counter()
        params, seen, accuracies = self._advance(
            params, [jax.random.fold_in(k, epoch) for k in keys]
        )
        seconds = (time.perf_counter() - begin) / len(keys)
        records = [
            {"loss": float(pass_.loss), "test_accuracy": float(accuracy), "seconds": seconds}
            for pass_, accuracy in zip(seen, accuracies, strict=True)
        ]
        return params, records, [pass_.correct for pass_ in seen]

    def _advance(self, params, keys):
        """One epoch of every expert: their parameters, ``EpochRecord``s and test accuracies."""
        if len(params) == 1 or not in_one_program():
            one = lambda *at: jax.block_until_ready(self._one(*at, self.train, self.test))
            return zip(*in_threads(one, params, keys, workers=len(params)), strict=True)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
        out = self._many(stacked, jnp.stack(keys), self.train, self.test)
        params, seen, accuracies = jax.device_get(out)
        each = lambda tree: [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(len(keys))]
        return each(params), each(seen), list(accuracies)
