"""Sets tried on networks that they were not distilled for: MTT's cross-architecture table."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from mttjax.config.protocol import Protocol
from mttjax.core.network_spec import ARCHITECTURES
from mttjax.core.networks import NetworkSpec, make_network, own_network
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.scorer import Scorer, require_same_data
from mttjax.evaluation.sets import random_sets
from mttjax.evaluation.testing import Evaluation
from mttjax.reporting import markdown_table, percent, print_table
from mttjax.system.errors import InputError
from mttjax.system.files import atomically, write_json
from mttjax.system.provenance import stamp
from mttjax.system.text import did_you_mean

__all__ = ["POOLS", "Across", "evaluate_across", "expand", "report_across", "spec_of"]

POOLS = {
    "architectures": ("convnet", "resnet18", "vgg11", "alexnet"),
    "width": tuple(f"convnet-w{width}" for width in (32, 64, 128, 256)),
    "depth": tuple(f"convnet-d{depth}" for depth in (1, 2, 3, 4)),
    "activation": ("convnet-sigmoid", "convnet-relu", "convnet-leaky_relu"),
    "pooling": ("convnet-nopool", "convnet-max", "convnet-average"),
    "norm": tuple(f"convnet-{n}" for n in ("nonorm", "batch", "layer", "instance", "group")),
}
"""The networks of MTT's comparison, to which its code adds resnet18_ap, and those of the
ablations of DC's code."""

_VALUES = {name: get_args(hint) for name, hint in get_type_hints(NetworkSpec).items()}
_WORDS = {"nonorm": ("norm", "none"), "nopool": ("pooling", "none")} | {
    value: (field, value)
    for field in ("norm", "activation", "pooling")
    for value in _VALUES[field]
    if value != "none"
}


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Names of networks, with the names of pools replaced by what is in them; each once."""
    networks = (network for name in names for network in POOLS.get(name, (name,)))
    return tuple(dict.fromkeys(networks))


def spec_of(name: str, base: NetworkSpec) -> NetworkSpec:
    """The network of a name such as ``resnet18``, ``convnet-w64`` or ``convnet-d2-batch``.

    Args:
      name: an architecture, then changes to it: ``d2`` for the depth, ``w64`` for the width, a
        norm, an activation or a pooling by its value, ``nonorm`` and ``nopool`` for none; or
        ``FILE.py:FUNCTION``, see ``own_network``.
      base: the set's own; a network of its architecture is it, but for the changes, and any
        other has the usual settings and its precision.

    Raises:
      InputError: a name that is no network's.
    """
    if ":" in name:
        return own_network(name, precision=base.precision)
    architecture, *changes = name.split("-")
    if architecture not in ARCHITECTURES:
        known = did_you_mean(architecture, [*ARCHITECTURES, *POOLS])
        raise InputError(f"network {name!r}: no such network or pool of networks; {known}")
    spec = base if base.name == architecture else NetworkSpec(precision=base.precision)
    changed: dict[str, Any] = {"name": architecture} | dict(_change(name, word) for word in changes)
    return dataclasses.replace(spec, **changed)


def _change(name, word):
    if number := re.fullmatch(r"([dw])(\d+)", word):
        return {"d": "depth", "w": "width"}[number[1]], int(number[2])
    if word not in _WORDS:
        raise InputError(
            f"network {name!r}: {word!r} is no change of a network; "
            f"there are dN (depth), wN (width), {', '.join(_WORDS)}"
        )
    return _WORDS[word]


class Across(NamedTuple):
    """What ``evaluate_across`` found."""

    sets: Mapping[str, DistilledSet]
    scores: dict[tuple[str, str], Evaluation]
    """By the names of the set and of the network."""
    networks: tuple[str, ...]
    class_names: tuple[str, ...]

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """(headers, rows): a row per set, a column per network, in %."""
        rows = []
        for name, distilled in self.sets.items():
            scores = (self.scores[name, network] for network in self.networks)
            cells = (percent(score.mean, score.std) for score in scores)
            rows.append((name, f"{distilled.per_class} per class", *cells))
        return ("set", "images", *self.networks), rows

    def record(self) -> dict[str, Any]:
        """For JSON: a row per set with a score per network."""
        rows = {}
        for name, distilled in self.sets.items():
            scores = {
                n: self.scores[name, n].record()
                | {"network": dataclasses.asdict(spec_of(n, distilled.network))}
                for n in self.networks
            }
            rows[name] = {"ipc": distilled.ipc, "lr": distilled.lr, "scores": scores}
        listed = {"networks": list(self.networks), "classes": list(self.class_names)}
        return {"rows": rows} | listed


def evaluate_across(
    sets: Mapping[str, DistilledSet], names: Sequence[str], score: Scorer
) -> Across:
    """Trains fresh networks of each architecture on each set, at the set's own rate.

    As Cazenavette et al., CVPR 2022, tell how a set generalises: rate, preprocessing and
    augmentation stay those that it was distilled with.

    Args:
      sets: all of one dataset, by their names.
      names: of networks (see ``spec_of``) or pools.
      score: evaluates sets of that dataset.

    Raises:
      InputError: an unknown name, a network that does not fit the images, or sets of other
        data; before any network is trained.
    """
    dataset, networks = score.dataset, expand(names)
    specs = {(s, n): spec_of(n, sets[s].network) for n in networks for s in sets}
    for distilled in sets.values():
        require_same_data(distilled, dataset)
    for (_, name), spec in specs.items():
        try:
            make_network(spec, dataset.image_shape, dataset.n_classes)
        except InputError as error:
            raise InputError(f"{name}: {error}, or leave {name} out") from error
    scores = {}
    for count, ((name, network), spec) in enumerate(specs.items(), 1):
        title = f"{count} of {len(specs)}: {name}, {network}"
        scores[name, network] = score(sets[name], name=title, network=spec)
    return Across(sets, scores, networks, dataset.class_names)


def report_across(
    sets: Mapping[str, DistilledSet],
    dataset: Dataset,
    names: Sequence[str],
    protocol: Protocol,
    *,
    seed: int,
    folder: str | Path,
    with_random: bool = True,
    log: Callable[[str], object] = print,
) -> Path:
    """``evaluate_across``, printed and written as ``architectures.json`` and ``.md``.

    Args:
      sets, dataset, protocol, seed, with_random, log: as ``evaluate_sets``.
      names: as ``evaluate_across``.
      folder: where to write; single results are kept in ``scores/`` there.

    Returns:
      The path of the Markdown table.
    """
    path = Path(folder) / "architectures.md"
    if with_random:
        sets = {**sets, **random_sets(sets, dataset, seed, log)}
    score = Scorer(dataset, protocol, seed=seed, folder=path.parent / "scores", log=log)
    across, made = evaluate_across(sets, names, score), stamp()
    title = f"{dataset.name}: test accuracy of other networks, %"
    headers, rows = across.table()
    print_table(title, headers, rows)
    write_json(path.with_suffix(".json"), across.record() | score.how | made)
    with atomically(path, "w") as file:
        file.write(
            f"# {title}\n\n{markdown_table(headers, rows)}\n\n"
            f"Mean ± standard deviation of {protocol.networks} networks trained for "
            f"{protocol.epochs} epochs. {made['date']}, {made['hardware']}.\n"
        )
    return path
