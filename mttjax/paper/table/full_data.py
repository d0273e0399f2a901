"""The table's last rows: the network trained on all real images, in two ways."""

import dataclasses
import json
import time
import zlib
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.augmentation import dsa
from mttjax.core.networks import make_network
from mttjax.core.training import TrainState, accuracy, cache_chunk, make_epoch, sgd
from mttjax.experts.recipe import recipe_record
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError
from mttjax.system.files import read_kept, write_json
from mttjax.system.locks import exclusive
from mttjax.system.progress import progress_bar
from mttjax.system.provenance import hardware, today, versions
from mttjax.system.threads import in_threads
from mttjax.system.trees import load_tree, save_tree

__all__ = ["FullData", "experts_row", "train_better"]


@dataclasses.dataclass(frozen=True)
class FullData:
    """The better recipe: momentum, weight decay, and a rate that falls to nothing."""

    networks: int = 5
    epochs: int = 50
    lr: float = 0.01
    """To begin with; it falls along half a cosine, epoch by epoch."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch: int = 256


def experts_row(settings):
    """The experts' own recipe: the test accuracies of all experts after their last epoch.

    Returns:
      A result as a cell's, or None where there are no experts.
    """
    store = ExpertStore(settings.expert_folder)
    if store.manifest is None:
        return None
    experts = [x["epochs"][1:] for x in store.manifest["experts"].values() if len(x["epochs"]) > 1]
    if not experts:
        return None
    longest = max(map(len, experts))
    whole = [epochs for epochs in experts if len(epochs) == longest]
    return {
        "accuracies": [epochs[-1]["test_accuracy"] for epochs in whole],
        "epochs": longest,
        "seconds": sum(epoch["seconds"] for epochs in whole for epoch in epochs),
        "peak_bytes": None,
        "date": store.manifest["created"][:10],
        "versions": store.manifest["versions"],
    }


def train_better(settings, dataset, preprocessing, recipe, folder, log=print):
    """Networks trained by ``recipe`` on all training images; each resumed at its last epoch.

    Args:
      settings: a ``Settings``: network, augmentation and seed.
      dataset: a ``Dataset``.
      preprocessing: that of the real images.
      recipe: a ``FullData``.
      folder: where their states are kept.
      log: called with a line per network.

    Returns:
      A result as a cell's.
    """
    folder = Path(folder) / "full_data"
    path = folder / "result.json"
    wanted = _decided(settings, dataset, recipe)
    if (found := read_kept(path, log)) and found.get("settings") == wanted:
        return found
    # States of another recipe lie beside: to go on from them would be neither.
    own = folder / f"{zlib.crc32(json.dumps(wanted, sort_keys=True).encode()):08x}"
    train = _Trainer(settings, dataset, preprocessing, recipe, own, log)
    with exclusive(folder), progress_bar("full data", recipe.networks * recipe.epochs) as bar:
        each = in_threads(partial(train, bar), range(recipe.networks))
    for number, (score, _) in enumerate(each):
        log(f"full data, network {number}: {100 * score:.2f} % after {recipe.epochs} epochs")
    result = {
        "accuracies": [score for score, _ in each],
        "epochs": recipe.epochs,
        "seconds": sum(seconds for _, seconds in each),
        "peak_bytes": None,
        "date": today(),
        "hardware": hardware(),
        "versions": versions(),
        "settings": wanted,
    }
    write_json(path, result)
    return result


def _decided(settings, dataset, recipe):
    """All that decides the networks, as JSON has it."""
    made = recipe_record(settings.recipe(), dataset)
    decided = dataclasses.asdict(recipe) | {"seed": settings.seed, "of": made}
    return json.loads(json.dumps(decided))


class _Trainer:
    """The compiled epoch and test, and the data on the device."""

    def __init__(self, settings, dataset, preprocessing, recipe, folder, log):
        classes, shape = dataset.n_classes, dataset.image_shape
        self.recipe, self.folder, self.seed, self.log = recipe, folder, settings.seed, log
        self.network = make_network(settings.network, shape, classes)
        self.optimiser = sgd(momentum=recipe.momentum, weight_decay=recipe.weight_decay)
        self.train, self.test = (
            tuple(map(jnp.asarray, split)) for split in (dataset.train, dataset.test)
        )
        fits = cache_chunk(shape, jax.default_backend())
        chunk = fits if self.network.per_image else None
        epoch = make_epoch(
            self.network.apply,
            self.optimiser,
            prepare=lambda x, y: (preprocessing(x), jax.nn.one_hot(y, classes)),
            augment=partial(dsa, ops=settings.ops) if settings.ops else None,
            batch=recipe.batch,
            chunk=chunk,
        )
        self.epoch = jax.jit(epoch, donate_argnums=0)
        self.accuracy = jax.jit(
            partial(accuracy, self.network.apply, preprocessing, chunk=chunk or 1000)
        )

    def __call__(self, bar, number):
        """(test accuracy, seconds) of one network."""
        key = jax.random.fold_in(jax.random.key(self.seed), number)
        params = self.network.init(key)
        state = (TrainState(params, self.optimiser.init(params)), np.int32(0), np.float32(0))
        path = self.folder / f"network-{number}.npz"
        state = self._kept(path, state)
        state, done, seconds = state
        seconds = float(seconds)
        bar.advance(int(done))
        for epoch in range(int(done), self.recipe.epochs):
            begin = time.perf_counter()
            rate = self.recipe.lr * 0.5 * (1 + np.cos(np.pi * epoch / self.recipe.epochs))
            key_of_epoch = jax.random.fold_in(key, epoch + 1)
            state, _ = self.epoch(state, key_of_epoch, *self.train, jnp.float32(rate))
            jax.block_until_ready(state)
            seconds += time.perf_counter() - begin
            save_tree(path, (state, np.int32(epoch + 1), np.float32(seconds)))
            bar.advance(1)
        return float(self.accuracy(state.params, *self.test)), seconds

    def _kept(self, path, initial):
        """What ``path`` holds; a state that is damaged is begun again."""
        if not path.exists():
            return initial
        try:
            return load_tree(path, jax.eval_shape(lambda: initial))
        except InputError as error:
            self.log(f"{error}; this network is trained again from the beginning")
            return initial
