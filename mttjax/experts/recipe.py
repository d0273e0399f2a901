"""How experts are trained."""

import dataclasses
import zlib

import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.networks import BEFORE, NetworkSpec
from mttjax.system.errors import InputError

__all__ = ["recipe_of", "recipe_record"]


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


def recipe_of(store):
    """The ``Recipe`` that the experts of a store were trained by.

    Raises:
      InputError: there is no store.
    """
    if store.manifest is None:
        raise InputError(f"{store.folder}: no experts there; train them with bin/train_experts")
    record = store.manifest["recipe"]
    own = {
        f.name: record.get(f"network.{f.name}", BEFORE.get(f.name))
        for f in dataclasses.fields(NetworkSpec)
    }
    names = [f.name for f in dataclasses.fields(Recipe) if f.name not in ("network", "ops")]
    rest = {name: record.get(name) for name in names}
    return Recipe(network=NetworkSpec(**own), ops=tuple(record["ops"]), **rest)
