"""A distilled set ↔ one ``.npz``; loading it needs nothing else."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import preprocessing_from_arrays
from mttjax.distilled.set import DistilledSet, require_field
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays, write_arrays

__all__ = ["FORMAT", "MOST_BYTES", "load_distilled", "save_distilled"]

FORMAT = 2
"""Rises with every change of the members or of ``NetworkSpec``'s fields."""

MOST_BYTES = 4 * 2**30
"""What a set may unpack to; ZCA of 64 x 64 images in colour takes 1.2 GB of it."""

OURS = (
    "Only what save_distilled or a command wrote is read as a set; of other images make a "
    "DistilledSet, with their labels, rate and preprocessing"
)
"""What to do with a file that is no set; it may be its owner's only copy."""

_MOST_TEXT = 2**24  # characters of the metadata

_PREFIX = "preprocessing_"
_TYPES = {
    "lr": float,
    "preprocessing": str,
    "ops": list,
    "network": dict,
    "dataset": str,
    "class_names": list,
    "seed": int,
    "settings": dict,
    "versions": dict,
}


def save_distilled(path: str | Path, distilled: DistilledSet) -> None:
    """Writes the set as ``path``, an ``.npz``; equal sets give equal bytes.

    Members: ``images``, ``labels``, ``preprocessing_*`` and ``metadata``, the rest as JSON.
    Tuples among ``settings`` come back as lists.

    Raises:
      InputError: ``settings`` or ``versions`` hold what JSON cannot.
    """
    metadata = {
        "format": FORMAT,
        "lr": float(distilled.lr),
        "preprocessing": distilled.preprocessing.kind,
        "ops": list(distilled.ops),
        "network": dataclasses.asdict(distilled.network),
        "dataset": distilled.dataset,
        "class_names": list(distilled.class_names),
        "seed": int(distilled.seed),
        "settings": distilled.settings,
        "versions": distilled.versions,
    }
    try:
        text = json.dumps(metadata, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: the distilled set's settings and versions should be JSON values ({error}); "
            "turn paths and arrays into text and lists first"
        ) from error
    arrays = {"images": distilled.images, "labels": distilled.labels}
    for name, array in distilled.preprocessing._asdict().items():
        arrays[_PREFIX + name] = np.asarray(array, np.float32)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_arrays(path, arrays | {"metadata": np.array(text)})


def load_distilled(path: str | Path) -> DistilledSet:
    """Reads a set that ``save_distilled`` wrote; nothing else is needed.

    Raises:
      InputError: no such file, a damaged one, one of another format, or one whose members
        are not those of a distilled set, or one that unpacks to more than ``MOST_BYTES``; the
        message names the file and the field.
    """
    try:
        arrays = read_arrays(path, most=MOST_BYTES)
    except InputError as error:
        if not Path(path).exists():
            raise
        raise InputError(f"{error}. {OURS}") from error
    if not {"images", "labels", "metadata"} <= set(arrays):
        listed = ", ".join(sorted(arrays)[:9]) or "nothing"
        raise InputError(f"{path}: not a distilled set, its members are {listed}. {OURS}")
    try:
        return _from_arrays(arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}. A set that distill wrote can be made again") from error


def _from_arrays(arrays):
    metadata = _read_metadata(arrays["metadata"])
    named = {n.removeprefix(_PREFIX): a for n, a in arrays.items() if n.startswith(_PREFIX)}
    for name, array in named.items():
        good = array.dtype == np.float32
        require_field(good, f"preprocessing.{name}", "float32", str(array.dtype))
    try:
        metadata["preprocessing"] = preprocessing_from_arrays(metadata["preprocessing"], named)
    except ValueError as error:
        raise InputError(f"the distilled set's preprocessing: {error}") from error
    for name in ("ops", "class_names"):
        good = all(isinstance(item, str) for item in metadata[name])
        require_field(good, name, "a list of text", metadata[name])
        metadata[name] = tuple(metadata[name])
    metadata["network"] = _network(metadata["network"])
    return DistilledSet(images=arrays["images"], labels=arrays["labels"], **metadata)


def _read_metadata(member):
    good = member.dtype.kind == "U" and member.ndim == 0 and member.nbytes <= 4 * _MOST_TEXT
    expected = f"one text of at most {_MOST_TEXT} characters"
    require_field(good, "metadata", expected, f"{member.dtype} {list(member.shape)}")
    try:
        metadata = json.loads(member.item())
    except (ValueError, RecursionError) as error:
        raise InputError(f"the distilled set's metadata is not JSON ({error})") from error
    require_field(isinstance(metadata, dict), "metadata", "a JSON object", type(metadata).__name__)
    found = metadata.get("format")
    require_field(found == FORMAT, "format", f"{FORMAT}, which this version reads", found)
    for name, kind in _TYPES.items():
        value = metadata.get(name)
        require_field(type(value) is kind, name, f"there, of type {kind.__name__}", value)
    return {name: metadata[name] for name in _TYPES}


def _network(record):
    """What is not said has its default."""
    names = sorted(field.name for field in dataclasses.fields(NetworkSpec))
    require_field(set(record) <= {*names}, "network", f"given by {names}", sorted(record))
    try:
        return NetworkSpec(**record)
    except InputError as error:
        raise InputError(f"the distilled set's network.{error}") from error
