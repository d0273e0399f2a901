"""What decides experts, as a store records it: their recipe and the images they were trained on."""

import dataclasses
import json
from pathlib import PurePath
from typing import Any

from mttjax.config.recipe import Recipe
from mttjax.core.networks import NetworkSpec
from mttjax.datasets.dataset import Dataset
from mttjax.system.text import flat

__all__ = ["differences", "recipe_from", "recipe_record"]


def recipe_record(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """The recipe's fields and ``data``, which tells the training images apart: JSON values."""
    data = {"name": dataset.name, "shape": dataset.train.images.shape, "checksum": dataset.checksum}
    return json.loads(json.dumps(dataclasses.asdict(recipe) | {"data": data}))


def recipe_from(record: dict[str, Any]) -> Recipe:
    """The recipe of such a record.

    Raises:
      KeyError, TypeError, ValueError: it is not one.
    """
    fields = {name: value for name, value in record.items() if name != "data"}
    fields |= {"network": NetworkSpec(**record["network"]), "ops": tuple(record["ops"])}
    return Recipe(**fields)


def differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """In which fields two such records differ, in words.

    What the data are called is no difference: a folder that was renamed or copied is the same; nor
    is the folder that the file of a network of one's own lies in.
    Nor is the form of the convolutions, to which the store keeps.
    What ``there`` does not say has its default.
    """
    said = json.loads(json.dumps(dataclasses.asdict(recipe_from(there))))
    there, here = flat(there | said), flat(here)
    for record in (there, here):
        record["network.name"] = PurePath(record["network.name"]).name
    return [
        f"{name} is {there.get(name)!r} there and {here.get(name)!r} here"
        for name in sorted({*there, *here} - {"data.name", "tile"})
        if there.get(name) != here.get(name)
    ]
