"""One cell of the table: a set made, then evaluated; each kept, so that a kill costs little."""

import dataclasses
import json
import time
from pathlib import Path
from typing import NamedTuple

from mttjax.config.methods import SELECTIONS
from mttjax.config.settings import Run
from mttjax.distilled import load_distilled
from mttjax.evaluation.sets import evaluate_set, make_evaluator
from mttjax.runs.workflows import run_distill
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, read_kept, write_json
from mttjax.system.memory import peak_memory
from mttjax.system.metrics import read_metrics
from mttjax.system.provenance import hardware, today, versions

__all__ = ["Cell", "cell_path", "run_cell", "set_path"]


class Cell(NamedTuple):
    """A method at a size, with the seed of its run."""

    method: str
    ipc: int
    seed: int

    @property
    def name(self):
        return f"{self.method}-ipc{self.ipc}-seed{self.seed}"


def set_path(folder, cell):
    """The folder of a cell's set; its run is resumed there."""
    return Path(folder) / "sets" / cell.name


def cell_path(folder, cell, protocol_name):
    """The file of a cell's result."""
    return Path(folder) / "cells" / protocol_name / f"{cell.name}.json"


def run_cell(cell, settings, dataset, folder, protocol, protocol_name, *, kind="last", log=print):
    """Makes a set and evaluates it, or finds that both are there.

    Args:
      cell: a ``Cell``.
      settings: the ``Settings`` of its method and size.
      dataset: a ``Dataset``.
      folder: the table's.
      protocol: a ``Protocol``, the same for all cells.
      protocol_name: what it is called; results under other protocols lie beside.
      kind: ``last``, or ``best``: the best on validation.
      log: called with lines of text.

    Returns:
      The result, JSON values: the accuracies, the seconds of the run and of the evaluation,
      the peak memory in bytes or None, when, where and with what.

    Raises:
      InputError, Diverged, Stopped: see ``run_distill``.
    """
    place = set_path(folder, cell)
    settings = dataclasses.replace(settings.with_seed(cell.seed), run=Run(folder=str(place)))
    wanted = _wanted(settings, protocol, kind)
    path = cell_path(folder, cell, protocol_name)
    if (found := read_kept(path, log)) and found.get("settings") == wanted:
        log(f"{cell.name}: {100 * mean(found):.2f} %, there already")
        return found
    with peak_memory() as peak:
        begin = time.perf_counter()
        run_distill(settings, dataset, log=lambda line: log(f"{cell.name}: {line}"))
        seconds = _seconds_of_steps(place) or time.perf_counter() - begin
        distilled, begin = load_distilled(place / _kept(settings, kind)), time.perf_counter()
        evaluator = make_evaluator(distilled, dataset, protocol)
        score = evaluate_set(distilled, evaluator, seed=cell.seed, title=cell.name)
    result = {
        "cell": cell._asdict(),
        "accuracies": score.record()["accuracies"],
        "lr": distilled.lr,
        "seconds": seconds,
        "evaluation_seconds": time.perf_counter() - begin,
        "peak_bytes": peak.bytes,
        "date": today(),
        "hardware": hardware(),
        "versions": versions(),
        "settings": wanted,
    }
    write_json(path, result)
    log(f"{cell.name}: {100 * mean(result):.2f} %")
    return result


def mean(result):
    """The mean accuracy of a result."""
    return sum(result["accuracies"]) / len(result["accuracies"])


def _wanted(settings, protocol, kind):
    """All that decides a cell's result, as JSON has it."""
    record = settings.record() | {"evaluate": dataclasses.asdict(protocol), "kind": kind}
    return json.loads(json.dumps(record))


def _kept(settings, kind):
    """The file of the set; what learns nothing has no best."""
    return "last.npz" if settings.method in SELECTIONS else f"{kind}.npz"


def _seconds_of_steps(place):
    """The time of all steps of a run, those before a kill too; 0 for a selection."""
    path = place / "metrics.jsonl"
    return sum(line.get("seconds", 0) for line in read_metrics(path)) if path.exists() else 0


def _check_cells(folder, findings):
    paths = sorted((folder / "cells").rglob("*.json"))
    for path in paths:
        with findings.of(path, "Remove it; bin/table evaluates it again", removable=True):
            result = read_json(path)
            if not isinstance(result.get("accuracies"), list) or "settings" not in result:
                raise InputError("it is not the result of a cell")
    return f"table of {len(paths)} cells"
