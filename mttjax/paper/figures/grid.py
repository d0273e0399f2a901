"""One distilled image of every class, with the classes' names: the figures of section 4."""

from pathlib import Path

import numpy as np

from mttjax.distilled import DistilledSet
from mttjax.reporting import save_grid
from mttjax.system.errors import InputError
from mttjax.system.files import write_json

__all__ = ["draw_grid"]


def draw_grid(distilled: DistilledSet, path: str | Path) -> list[Path]:
    """Draws the first image of every class as it would be shown, its class's name under it.

    Args:
      distilled: images [N, H, W, C], of any number per class.
      path: the PNG; a JSON file of the same name beside it holds the indices.

    Returns:
      The paths of the JSON file and the PNG.

    Raises:
      InputError: ``path`` is not that of a PNG.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: the grid is a PNG, give a name that ends in .png")
    classes, first = np.unique(distilled.classes, return_index=True)
    record = {
        "dataset": distilled.dataset,
        "step": distilled.settings.get("step"),
        "indices": first.tolist(),
        "classes": [distilled.class_names[k] for k in classes],
    }
    write_json(path.with_suffix(".json"), record)
    shown = (distilled.images[first], classes, distilled.class_names)
    save_grid(path, *shown, preprocessing=distilled.preprocessing)
    return [path.with_suffix(".json"), path]
