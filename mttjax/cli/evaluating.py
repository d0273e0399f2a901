"""The uses of ``mttjax evaluate``: what each does with its options."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

from mttjax.cli.evaluate import (
    EvaluateFiles,
    EvaluateNetworks,
    EvaluateRobustness,
    EvaluateRun,
    WithFiles,
    WithRandom,
)
from mttjax.cli.options import require_folder
from mttjax.core.networks import own_network
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.architectures import report_across
from mttjax.evaluation.robustness import report_robustness
from mttjax.evaluation.sets import evaluate_sets, load_sets, real_data_of
from mttjax.reporting import print_table
from mttjax.runs.beside import keep_beside
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import save_results
from mttjax.runs.shown import results_table
from mttjax.system.errors import InputError

__all__ = ["evaluate"]


@singledispatch
def evaluate(use: object, command: str) -> None:
    """Evaluates as one of the uses says; ``command`` is kept with what is written."""
    raise TypeError(f"{type(use).__name__} is no use of evaluate")


@evaluate.register
def _(use: EvaluateRun, command: str) -> None:
    run = RunFolder(use.folder)
    dataset, results = _results(use, _with_network(run.sets(), use.network))
    keep_beside(run, dataset)
    run.save_commands({"evaluate": command})
    print(f"page: {save_results(use.folder, results)}")


@evaluate.register
def _(use: EvaluateFiles, command: str) -> None:
    _results(use, _with_network(load_sets(_some(use.files)), use.network))


@evaluate.register
def _(use: EvaluateNetworks, command: str) -> None:
    sets, dataset, folder = _sets_and_place(use)
    report = partial(report_across, seed=use.seed, folder=folder, with_random=use.random)
    print(f"table: {report(sets, dataset, use.networks, use.protocol)}")


@evaluate.register
def _(use: EvaluateRobustness, command: str) -> None:
    sets, dataset, folder = _sets_and_place(use)
    report = partial(report_robustness, seed=use.seed, folder=folder)
    path = report(sets, dataset, use.protocol, full_accuracy=use.full_accuracy)
    print(f"robustness: {path}")


def _results(use: WithRandom, sets: Mapping[str, DistilledSet]) -> tuple[Dataset, dict[str, Any]]:
    """Evaluates the sets and prints a table; the real images, and the results as JSON values."""
    dataset = real_data_of(next(iter(sets.values())), **use.data.source)
    results = evaluate_sets(
        sets, dataset, use.protocol, seed=use.seed, with_random=use.random
    ).record()
    print_table(f"{dataset.name}, test accuracy", *results_table(results))
    return dataset, results


def _sets_and_place(use: WithFiles) -> tuple[dict[str, DistilledSet], Dataset, Path]:
    """The sets, their real images, and where to write."""
    require_folder("--to", use.to)
    first = _some(use.sets)[0]
    if len(use.sets) == 1 and first.is_dir():
        sets, folder = RunFolder(first).sets(), first
    else:
        sets, folder = load_sets(use.sets), first.parent
    sets = _with_network(sets, use.network)
    return sets, real_data_of(next(iter(sets.values())), **use.data.source), use.to or folder


def _with_network(sets: Mapping[str, DistilledSet], network: str | None) -> dict[str, DistilledSet]:
    """The sets, for a network of the user's own where one was given."""
    if network is None:
        return dict(sets)
    spec_for = lambda distilled: own_network(network, precision=distilled.network.precision)
    return {n: dataclasses.replace(s, network=spec_for(s)) for n, s in sets.items()}


def _some(paths: Sequence[Path]) -> Sequence[Path]:
    if not paths:
        raise InputError("give at least one distilled set, an .npz")
    return paths
