"""Training experts on the real images, a snapshot after every epoch.

MTT's recipe (Cazenavette et al., CVPR 2022): plain SGD at rate .01, batch 256, DSA; the
whole epoch is one compiled scan on the device.
"""

import dataclasses
import time
import zlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.augmentation import dsa
from mttjax.expert_store import ExpertStore
from mttjax.networks import NetworkSpec, make_network
from mttjax.parallel import cores, in_one_program, in_threads
from mttjax.preprocessing import fit_preprocessing
from mttjax.progress import progress_bar
from mttjax.training import TrainState, accuracy, cache_chunk, make_epoch, sgd

__all__ = ["Recipe", "recipe_record", "train_experts"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides an expert's snapshots, but for the data."""

    network: NetworkSpec
    preprocessing: str
    """``standardize`` or ``zca``."""
    ops: tuple[str, ...]
    """The operations of DSA; empty for none."""
    lr: float = 0.01
    batch: int = 256
    seed: int = 0
    statistics: str | None = None
    """Whose published mean and deviation to standardise by; None: those of the data set."""


def recipe_record(recipe, dataset):
    """The recipe and a fingerprint of the training images, flat and ready for JSON."""
    images, labels = map(np.ascontiguousarray, dataset.train)
    fields = dataclasses.asdict(recipe)
    network = fields.pop("network")
    record = {f"network.{name}": value for name, value in network.items()}
    record |= fields | {
        "ops": list(recipe.ops),
        "dataset": dataset.name,
        "train_images": list(images.shape),
        "train_checksum": zlib.crc32(labels, zlib.crc32(images)),
    }
    return record


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
      InputError: the folder holds experts of another recipe.
      ValueError: no experts or no epochs asked for.
    """
    if experts < 1 or epochs < 1:
        raise ValueError(f"at least 1 expert and 1 epoch are needed, got {experts} and {epochs}")
    store = ExpertStore(folder)
    record = recipe_record(recipe, dataset)
    if store.manifest is None:
        images = np.ascontiguousarray(dataset.train.images)
        preprocessing = fit_preprocessing(
            recipe.preprocessing, images, dataset=recipe.statistics or dataset.name
        )
        store.create(record, preprocessing)
    store.require(record)
    done = [min(store.epochs_done(e), epochs + 1) for e in range(experts)]
    if min(done) > epochs:
        log(f"{experts} experts of {epochs} epochs are there already: {store.folder}")
        return store
    parallel = parallel or (10 if in_one_program() else cores())
    train = _Trainer(dataset, recipe, store)
    with progress_bar("experts", experts * epochs, sum(max(d - 1, 0) for d in done)) as bar:
        for group in _groups(done, epochs, parallel):
            last = train(group, done[group[0]], epochs, bar)
            names = f"expert {group[0]}" if len(group) == 1 else f"experts {group[0]}-{group[-1]}"
            log(f"{names}: test accuracy {100 * np.mean(last):.2f} % after {epochs} epochs")
    return store


def _groups(done, epochs, parallel):
    """Experts with equally many epochs done, ``parallel`` at a time."""
    for count in sorted(set(done), reverse=True):
        if count > epochs:
            continue
        numbers = [e for e, d in enumerate(done) if d == count]
        for begin in range(0, len(numbers), parallel):
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

    def __call__(self, group, first, epochs, bar):
        """Trains the experts of a group from snapshot ``first`` - 1 on; their last accuracies."""
        root = jax.random.key(self.recipe.seed)
        keys = [jax.random.fold_in(root, expert) for expert in group]
        if first == 0:
            params = [self.network.init(jax.random.fold_in(k, 0)) for k in keys]
            for expert, p in zip(group, params, strict=True):
                self.store.save(expert, 0, p, record={})
            first = 1
        else:
            like = jax.eval_shape(self.network.init, root)
            params = [self.store.load(expert, first - 1, like) for expert in group]
        accuracies = []
        for epoch in range(first, epochs + 1):
            begin = time.perf_counter()
            params, seen, accuracies = self._advance(
                params, [jax.random.fold_in(k, epoch) for k in keys]
            )
            seconds = (time.perf_counter() - begin) / len(group)
            for expert, p, pass_, acc in zip(group, params, seen, accuracies, strict=True):
                record = {"loss": float(pass_.loss), "test_accuracy": float(acc)}
                record |= {"seconds": seconds}
                self.store.save(expert, epoch, p, record=record, correct=pass_.correct)
            note = f"expert {group[-1]} epoch {epoch}: test {100 * np.mean(accuracies):.1f} %"
            bar.advance(len(group), note)
        return accuracies

    def _advance(self, params, keys):
        """One epoch of every expert: their parameters, ``EpochRecord``s and test accuracies."""
        if len(params) == 1 or not in_one_program():
            one = lambda *at: jax.block_until_ready(self._one(*at, self.train, self.test))  # noqa: E731
            return zip(*in_threads(one, params, keys, workers=len(params)), strict=True)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
        out = self._many(stacked, jnp.stack(keys), self.train, self.test)
        params, seen, accuracies = jax.device_get(out)
        each = lambda tree: [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(len(keys))]  # noqa: E731
        return each(params), each(seen), list(accuracies)
