"""What decides experts, as a store records it: their recipe and the images they were trained on."""

import dataclasses
import json
import zlib
from typing import Any

import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.networks import NetworkSpec
from mttjax.datasets import Dataset

__all__ = ["differences", "recipe_from", "recipe_record"]


def recipe_record(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The recipe's fields and ``data``, which tells the training images apart: JSON values."""
    data = {
        "name": dataset.name,
        "shape": dataset.train.images.shape,
        "checksum": _checksum(dataset),
    }
    return json.loads(json.dumps(dataclasses.asdict(recipe) | {"data": data}))


def _checksum(dataset):
    if hasattr(dataset, "checksum"):
        return dataset.checksum
    images, labels = map(np.ascontiguousarray, dataset.train)
    return f"{zlib.crc32(labels, zlib.crc32(images)):08x}"


def recipe_from(record: dict[str, Any]) -> Recipe:
    """The recipe of such a record.

    Raises:
      KeyError, TypeError, ValueError: it is not one.
    """
    fields = {name: value for name, value in record.items() if name != "data"}
    fields |= {"network": NetworkSpec(**record["network"]), "ops": tuple(record["ops"])}
    return Recipe(**fields)


def differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """In which fields two such records differ, in words."""
    there, here = _flat(there), _flat(here)
    return [
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def _flat(record):
    flat = {}
    for name, value in record.items():
        inside = value if isinstance(value, dict) else None
        flat |= {f"{name}.{n}": v for n, v in inside.items()} if inside else {name: value}
    return flat
