"""A distilled set as a folder that Hugging Face's ``datasets`` loads, and its card."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.distilled.files import save_distilled
from mttjax.distilled.set import DistilledSet
from mttjax.system.files import atomically

__all__ = ["export_huggingface"]

PARQUET, SET = "data/train-00000-of-00001.parquet", "distilled.npz"


def export_huggingface(distilled: DistilledSet, folder: str | Path) -> list[Path]:
    """Writes a data set card, a parquet file, and the set itself, which alone has everything.

    A row has ``image`` (a PNG to look at, clipped to what a pixel holds; for 1 or 3 channels),
    ``label``, ``probabilities`` [K] and ``normalised`` [H, W, C] float32, which networks are
    trained on.

    Returns:
      The files.
    """
    import pyarrow
    from pyarrow import parquet

    folder = Path(folder)
    columns, features = _columns(distilled)
    table = pyarrow.table(columns)
    # Where the library itself keeps what its columns are.
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    with atomically(folder / PARQUET) as file:
        parquet.write_table(table.replace_schema_metadata(about), file)
    with atomically(folder / "README.md", "w") as file:
        file.write(_card(distilled))
    save_distilled(folder / SET, distilled)
    return [folder / name for name in ("README.md", PARQUET, SET)]


def _columns(distilled: DistilledSet) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns as Arrow's arrays, and what they are in the words of ``datasets``."""
    import pyarrow

    number = {"dtype": "float32", "_type": "Value"}
    columns = {
        "label": pyarrow.array(distilled.classes, pyarrow.int64()),
        "probabilities": _nested(distilled.labels),
        "normalised": _nested(distilled.images),
    }
    features = {
        "label": {"names": list(distilled.class_names), "_type": "ClassLabel"},
        "probabilities": {"feature": number, "_type": "Sequence"},
        "normalised": {
            "shape": list(distilled.images.shape[1:]),
            "dtype": "float32",
            "_type": "Array3D",
        },
    }
    if distilled.images.shape[-1] not in (1, 3):
        return columns, features
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    pngs = [{"bytes": png, "path": f"{n:05d}.png"} for n, png in enumerate(_pngs(distilled))]
    return {"image": pyarrow.array(pngs, kind)} | columns, {"image": {"_type": "Image"}} | features


def _nested(array):
    """[n, ...] -> n lists of lists."""
    import pyarrow

    values = pyarrow.array(np.ascontiguousarray(array).reshape(-1))
    for axis in range(array.ndim - 1, 0, -1):
        count = int(np.prod(array.shape[:axis]))
        ends = pyarrow.array(np.arange(count + 1) * array.shape[axis], pyarrow.int32())
        values = pyarrow.ListArray.from_arrays(ends, values)
    return values


def _pngs(distilled):
    from PIL import Image

    for pixels in distilled.pixels():
        file = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
        yield file.getvalue()


def _card(distilled):
    """Front matter, then what a training on the set needs."""
    preprocessing = distilled.preprocessing
    statistics = (
        f"(pixel / 255 - mean) / std, with mean {_listed(preprocessing.mean)} and std "
        f"{_listed(preprocessing.std)}"
        if preprocessing.kind == "standardize"
        else f"whitening (ZCA), whose matrices are in `{SET}`"
    )
    classes = len(distilled.class_names)
    network = ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(distilled.network).items())
    size = "x".join(map(str, distilled.images.shape[1:]))
    return f"""---
pretty_name: {json.dumps(f"{distilled.dataset}, distilled")}
task_categories:
- image-classification
tags:
- dataset-distillation
configs:
- config_name: default
  data_files:
  - split: train
    path: {PARQUET}
---

# {distilled.dataset} in {len(distilled.images)} images

Synthetic images of {size}, {distilled.per_class} for each of {classes} classes, made
from {distilled.dataset} by dataset distillation ({distilled.settings.get("method", "unknown")}).
A network is trained on the column `normalised` with the labels `probabilities`; `image` is for
looking at: it is clipped to what a pixel holds.

| | |
|:--|:--|
| learning rate | {distilled.lr:g} |
| test images are normalised by | {statistics} |
| augmentation (DSA) | {" ".join(distilled.ops) or "none"} |
| network | {network} |

`{SET}` holds all of this in one file; `mttjax evaluate set {SET}` trains networks on it.
"""


def _listed(numbers):
    return ", ".join(f"{number:.4f}" for number in numbers)
