"""The buffers of the published PyTorch code, ``replay_buffer_N.pt``, into a store and back.

A buffer is a list of experts, each a list of snapshots (the initialisation, then one per epoch),
each the list that ``parameters()`` gives. It says neither names nor a recipe.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.networks import make_network
from mttjax.core.networks.torch_order import from_torch_order, to_torch_order, torch_shapes
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.training import sgd
from mttjax.core.types import Params
from mttjax.datasets.dataset import Dataset
from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trainer
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
from mttjax.system.npz import read_arrays
from mttjax.system.progress import progress_bar
from mttjax.system.torch_reading import Tensor, open_torch
from mttjax.system.torch_writing import LazyArray, write_torch

__all__ = ["export_buffers", "import_buffers", "last_accuracies"]

PER_FILE = 10
"""Experts in a buffer, as the published code saves them."""

Log = Callable[[str], object]


def import_buffers(
    paths: Sequence[str | Path],
    folder: str | Path,
    recipe: Recipe,
    dataset: Dataset,
    preprocessing: Preprocessing,
    log: Log = print,
) -> ExpertStore:
    """Makes a store of buffers, whose files its manifest names; goes on where it was stopped.

    Args:
      paths: the buffers; they are taken in the order of the numbers in their names.
      folder: of the store.
      recipe: by which the experts were trained, as far as it is known.
      dataset: the images that they were trained on.
      preprocessing: of these.
      log: called with a line per buffer.

    Raises:
      InputError: a store of anything else in ``folder``, no buffer, one whose epochs share their
        numbers, one of another network. All are looked at before the store is begun.
    """
    files = sorted(map(Path, paths), key=_number)
    if not files:
        raise InputError("give at least one replay_buffer_*.pt")
    _refuse_own(recipe)
    shapes = make_network(recipe.network, dataset.image_shape, dataset.n_classes).shapes
    for path in files:
        with open_torch(path) as buffer:
            _check(path, buffer, torch_shapes(shapes))
    source = {path.name: _checksum(path) for path in files}
    with exclusive(folder):
        store = ExpertStore(folder, log)
        if not store.exists:
            store.create(recipe, dataset, preprocessing, source=source)
        elif store.source != source:
            raise InputError(f"{folder}: a store of others is there; give another folder")
        store.require(recipe, dataset)
        first = 0
        for path in files:
            with open_torch(path) as buffer:
                _save(store, first, buffer, shapes)
                log(f"{path}: {len(buffer)} experts of {len(buffer[0]) - 1} epochs")
                first += len(buffer)
    return store


def _save(store, first, buffer, shapes):
    """Writes what the store lacks of a buffer, whose experts begin with the number ``first``."""
    with progress_bar("converting", sum(map(len, buffer))) as bar:
        for expert, epochs in enumerate(buffer, first):
            missing = set(store.missing(expert, len(epochs) - 1))
            for epoch, tensors in enumerate(epochs):
                if epoch in missing:
                    params = from_torch_order([t.read() for t in tensors], shapes)
                    store.save(expert, epoch, params, record={})
                bar.advance(1)


def _number(path):
    digits = re.findall(r"\d+", path.stem)
    return (int(digits[-1]) if digits else -1, path.name)


def _checksum(path):
    """CRC-32 of a file's bytes, read a piece at a time."""
    crc = 0
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            crc = zlib.crc32(piece, crc)
    return f"{crc:08x}"


def _check(path: Path, buffer: Any, shapes: list[tuple[int, ...]]) -> None:
    """Refuses what is no buffer of a network of these shapes, by what the file says of them."""
    lists = lambda held: isinstance(held, list) and held and all(isinstance(x, list) for x in held)
    if not lists(buffer) or not all(map(lists, buffer)):
        raise InputError(f"{path}: not a buffer, which is a list of experts of lists of epochs")
    seen: set[tuple[str, int]] = set()
    named = ((e, t, tensors) for e, epochs in enumerate(buffer) for t, tensors in enumerate(epochs))
    for expert, epoch, tensors in named:
        where = f"{path}: expert {expert}, epoch {epoch}"
        if not all(isinstance(tensor, Tensor) for tensor in tensors):
            raise InputError(f"{where}: holds something else than tensors")
        found = [tensor.shape for tensor in tensors]
        if found != shapes:
            raise InputError(f"{where}: {_other_network(found, shapes)}")
        places = {(tensor.key, tensor.offset) for tensor in tensors}
        if places & seen:
            raise InputError(
                f"{where}: its numbers are those of another epoch too. The published code does so "
                "on a CPU, where it keeps every epoch without a copy: all are the last one. Train "
                "those experts again, on a GPU or with mttjax train_experts"
            )
        seen |= places


def _other_network(found, shapes):
    """What differs, in words."""
    said = lambda listed: " ".join("x".join(map(str, shape)) for shape in listed[:40])
    kernels = [shape for shape in found if len(shape) == 4]
    guess = (
        f" (a convnet of depth {len(kernels)} and width {kernels[0][0]}?)"
        if kernels and len({kernel[0] for kernel in kernels}) == 1
        else ""
    )
    return (
        f"its tensors are {said(found)}{guess}; those of the network, for these images and "
        f"classes, are {said(shapes)}"
    )


def _refuse_own(recipe: Recipe) -> None:
    if recipe.network.is_own:
        raise InputError(
            f"the experts are {recipe.network.name}: only convnet, alexnet and vgg11 are converted"
        )


def last_accuracies(store: ExpertStore, dataset: Dataset) -> dict[int, float]:
    """expert -> the test accuracy of its last snapshot, in [0, 1]; of at most ten experts."""
    recipe = store.recipe
    network = make_network(recipe.network, dataset.image_shape, dataset.n_classes)
    trainer = Trainer(network, store.preprocessing, (), sgd(), recipe.batch, dataset)
    numbers = store.numbers()[:PER_FILE]
    last = lambda n: store.load(n, store.epochs_done(n) - 1, network.shapes)
    return {n: trainer.accuracy(last(n)) for n in numbers}


def export_buffers(
    store: ExpertStore, folder: str | Path, *, per_file: int = PER_FILE, log: Log = print
) -> list[Path]:
    """Writes ``replay_buffer_0.pt`` and so on, which the published code reads.

    Args:
      store: its experts go in the order of their numbers, each with its unbroken epochs.
      folder: where to.
      per_file: experts in a file.
      log: called with a line per file.

    Raises:
      InputError: no experts, a damaged snapshot, or a network with shortcuts.
    """
    numbers = [n for n in store.numbers() if store.epochs_done(n) > 1]
    if not numbers:
        raise InputError(
            f"{store.folder}: no expert there has an epoch; train them with train_experts"
        )
    _refuse_own(store.recipe)
    shapes = _shapes(store, numbers[0])

    # One snapshot is held, while its tensors are written one after the other.
    @lru_cache(maxsize=1)
    def tensors(expert: int, epoch: int) -> list[np.ndarray]:
        return to_torch_order(store.load(expert, epoch, shapes))

    def snapshot(expert: int, epoch: int) -> list[LazyArray]:
        read = lambda index: tensors(expert, epoch)[index]
        listed = enumerate(torch_shapes(shapes))
        return [LazyArray(shape, np.dtype(np.float32), partial(read, i)) for i, shape in listed]

    written = []
    for begin in range(0, len(numbers), per_file):
        group = numbers[begin : begin + per_file]
        buffer = [[snapshot(n, epoch) for epoch in range(store.epochs_done(n))] for n in group]
        written.append(Path(folder) / f"replay_buffer_{begin // per_file}.pt")
        write_torch(written[-1], buffer)
        log(f"{written[-1]}: {len(group)} experts")
    return written


def _shapes(store: ExpertStore, expert: int) -> Params:
    """The parameters' shapes, from a snapshot: a store does not say how many classes there are."""
    nested: dict[str, dict[str, jax.ShapeDtypeStruct]] = {}
    for name, array in read_arrays(store.snapshot_path(expert, 0)).items():
        layer, _, leaf = name.partition("/")
        nested.setdefault(layer, {})[leaf] = jax.ShapeDtypeStruct(array.shape, array.dtype)
    return nested
