"""Sets tried on networks that they were not distilled for: MTT's cross-architecture table."""

import dataclasses
import difflib
import re
from pathlib import Path
from typing import get_args, get_type_hints

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.evaluation.scorer import Scorer
from mttjax.evaluation.sets import check_same_data, random_sets
from mttjax.reporting import markdown_table, percent, print_table
from mttjax.system.errors import InputError
from mttjax.system.files import atomically, write_json
from mttjax.system.provenance import hardware, today, versions

__all__ = ["POOLS", "across_table", "evaluate_across", "expand", "report_across", "spec_of"]

POOLS = {
    "architectures": ("convnet", "resnet18", "vgg11", "alexnet"),
    "width": tuple(f"convnet-w{width}" for width in (32, 64, 128, 256)),
    "depth": tuple(f"convnet-d{depth}" for depth in (1, 2, 3, 4)),
    "activation": ("convnet-sigmoid", "convnet-relu", "convnet-leaky_relu"),
    "pooling": ("convnet-nopool", "convnet-max", "convnet-average"),
    "norm": tuple(f"convnet-{n}" for n in ("nonorm", "batch", "layer", "instance", "group")),
}
"""The networks of the paper's comparison, and those of the ablations of DC's code."""

_VALUES = {name: get_args(hint) for name, hint in get_type_hints(NetworkSpec).items()}
_WORDS = {"nonorm": ("norm", "none"), "nopool": ("pooling", "none")} | {
    value: (field, value)
    for field in ("norm", "activation", "pooling")
    for value in _VALUES[field]
    if value != "none"
}


def expand(names):
    """Names of networks, with the names of pools replaced by what is in them; each once."""
    return tuple(dict.fromkeys(one for name in names for one in POOLS.get(name, (name,))))


def spec_of(name, base):
    """The network of a name such as ``resnet18``, ``convnet-w64`` or ``convnet-d2-batch``.

    Args:
      name: an architecture, then changes to it: ``d2`` for the depth, ``w64`` for the width, a
        norm, an activation or a pooling by its value, ``nonorm`` and ``nopool`` for none.
      base: the set's own ``NetworkSpec``; a network of its architecture is it, but for the
        changes, and any other has the usual settings.

    Raises:
      InputError: a name that is no network's.
    """
    architecture, *changes = name.split("-")
    if architecture not in _VALUES["name"]:
        near = difflib.get_close_matches(architecture, [*_VALUES["name"], *POOLS], 1)
        raise InputError(
            f"--networks {name!r}: no such network; {f'did you mean {near[0]!r}? ' if near else ''}"
            f"There are {', '.join(_VALUES['name'])}, and the pools {', '.join(POOLS)}"
        )
    spec = base if base.name == architecture else NetworkSpec(name=architecture)
    return dataclasses.replace(spec, **dict(_change(name, word) for word in changes))


def _change(name, word):
    if number := re.fullmatch(r"([dw])(\d+)", word):
        return {"d": "depth", "w": "width"}[number[1]], int(number[2])
    if word not in _WORDS:
        raise InputError(
            f"--networks {name!r}: {word!r} is no change of a network; "
            f"there are dN (depth), wN (width), {', '.join(_WORDS)}"
        )
    return _WORDS[word]


def evaluate_across(sets, dataset, names, protocol, *, seed=0, folder=None, log=print):
    """Trains fresh networks of each architecture on each set, at the set's own rate.

    As Cazenavette et al., CVPR 2022, tell how a set generalises: rate, preprocessing and
    augmentation stay those that it was distilled with.

    Args:
      sets: name -> ``DistilledSet``, all of one dataset.
      dataset: their ``Dataset``.
      names: of networks (see ``spec_of``) or pools.
      protocol: a ``Protocol``, the same for all.
      seed: decides the networks.
      folder: where each result is kept, for a killed run to go on; None: nowhere.
      log: called with a line per result.

    Returns:
      The results, ready for JSON: a row per set with a score per network, and when, where and
      with what.

    Raises:
      InputError: an unknown name, a network that does not fit the images, or sets of other
        data; before any network is trained.
    """
    names = expand(names)
    specs = {(s, n): spec_of(n, sets[s].network) for n in names for s in sets}
    for distilled in sets.values():
        check_same_data(distilled, dataset)
    for (_, name), spec in specs.items():
        _check_fit(name, spec, dataset)
    score = Scorer(dataset, protocol, seed=seed, folder=folder, log=log)
    rows = {s: {"ipc": d.ipc, "lr": d.lr, "scores": {}} for s, d in sets.items()}
    for count, ((name, network), spec) in enumerate(specs.items(), 1):
        title = f"{count} of {len(specs)}: {name}, {network}"
        record = score(sets[name], name=title, network=spec)
        rows[name]["scores"][network] = record | {"network": dataclasses.asdict(spec)}
    return {
        "rows": rows,
        "networks": list(names),
        "protocol": dataclasses.asdict(protocol),
        "seed": seed,
        "date": today(),
        "hardware": hardware(),
        "versions": versions(),
    }


def _check_fit(name, spec, dataset):
    try:
        make_network(spec, dataset.image_shape, dataset.n_classes)
    except InputError as error:
        raise InputError(f"{name}: {error}, or leave {name} out of --networks") from error


def across_table(results):
    """(headers, rows) of ``evaluate_across``: a row per set, a column per network, in %."""
    headers = ("set", "images", *results["networks"])
    rows = [
        (
            name,
            f"{row['ipc']} per class",
            *(percent(s["mean"], s["std"]) for s in map(row["scores"].get, results["networks"])),
        )
        for name, row in results["rows"].items()
    ]
    return headers, rows


def report_across(sets, dataset, names, protocol, *, seed, folder, with_random=True, log=print):
    """``evaluate_across``, printed and written as ``architectures.json`` and ``.md``.

    Args:
      sets, dataset, names, protocol, seed, log: as ``evaluate_across``.
      folder: where to write; single results are kept in ``scores/`` there.
      with_random: random real images too, for each size of set.

    Returns:
      The path of the Markdown table.
    """
    folder = Path(folder)
    if with_random:
        sets = sets | random_sets(sets, dataset, seed=seed)
    results = evaluate_across(
        sets, dataset, names, protocol, seed=seed, folder=folder / "scores", log=log
    )
    title = f"{dataset.name}: test accuracy of other networks, %"
    headers, rows = across_table(results)
    print_table(title, headers, rows)
    write_json(folder / "architectures.json", results)
    path = folder / "architectures.md"
    with atomically(path, "w") as file:
        file.write(
            f"# {title}\n\n{markdown_table(headers, rows)}\n\n"
            f"Mean ± standard deviation of {protocol.networks} networks trained for "
            f"{protocol.epochs} epochs. {results['date']}, {results['hardware']}.\n"
        )
    return path
