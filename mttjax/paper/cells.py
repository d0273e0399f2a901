"""One cell of the table: a set made, then evaluated; each kept, so that a kill costs little."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mttjax.config.methods import SELECTIONS
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Run, Settings
from mttjax.datasets.dataset import Dataset
from mttjax.evaluation import Evaluation, evaluate, evaluate_own_way
from mttjax.runs.workflows import distill
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.findings import Findings
from mttjax.system.kept import kept
from mttjax.system.locks import exclusive
from mttjax.system.memory import peak_memory
from mttjax.system.provenance import stamp
from mttjax.system.trees import tree_checksum
from mttjax.system.units import missing

__all__ = ["CellResult", "check_cells", "moments", "run_cell", "set_folder"]


class CellResult(NamedTuple):
    """How a set was made and how good it is."""

    accuracies: list[float]
    """Of every network on the test images, in [0, 1]."""
    correct: list[list[int]]
    """[networks][K] how many images of each class it classified correctly."""
    tested: list[int]
    """[K] how many there are."""
    own_way: list[float]
    """Of a set of DD: after its own steps alone, of every network; empty for other methods."""
    lr: float
    """α that they were trained at, the mean where every step has its own."""
    seconds: float
    """Of all steps of the run; of a selection, of all of it."""
    evaluation_seconds: float
    peak_bytes: int | None
    """Memory in use at its highest; None where the device does not tell."""
    steps: int | None
    """Outer steps; None of a selection."""
    where: str
    """The hardware, the date and the version of JAX."""

    @property
    def evaluation(self) -> Evaluation:
        """The accuracies, and how many images of each class were right."""
        return Evaluation(*(np.array(getattr(self, name)) for name in Evaluation._fields))


def moments(accuracies: Sequence[float]) -> tuple[float, float]:
    """Their mean, and their population standard deviation as the papers report it."""
    return statistics.fmean(accuracies), statistics.pstdev(accuracies)


def set_folder(folder: str | Path, name: str) -> Path:
    """The folder of a cell's run; it is resumed there."""
    return Path(folder) / "sets" / name


def run_cell(
    name: str,
    settings: Settings,
    dataset: Dataset,
    folder: str | Path,
    protocol: Protocol,
    protocol_name: str,
    *,
    kind: str = "last",
    only_look: bool = False,
    log: Callable[[str], object] = print,
) -> CellResult:
    """Makes a set and evaluates it, or finds that both are there.

    Several processes may fill one folder: a cell is held by the one that makes and evaluates it,
    and the cells that others have made are taken from them.

    Args:
      name: of the cell; its files are called so.
      settings: those of its method, size and seed.
      dataset: the real images.
      folder: the table's.
      protocol: the same for all cells.
      protocol_name: what it is called; results under other protocols lie beside.
      kind: ``last``, ``best`` on validation, or ``best_on_test``.
      only_look: make nothing.
      log: called with lines of text.

    Raises:
      Busy: another process is at work on this cell.
      Missing: it is not there, and this only looks.
      InputError: see ``distill``.
      Diverged, Stopped: see ``distill``.
    """
    run = Run(folder=str(set_folder(folder, name)))
    settings = dataclasses.replace(settings, run=run, evaluate=protocol)
    # What only selects has no best.
    kind = "last" if settings.method in SELECTIONS else kind

    def make() -> dict[str, Any]:
        with peak_memory() as peak:
            begin = time.perf_counter()
            made = distill(settings, dataset, log=lambda line: log(f"{name}: {line}"))
            seconds = made.seconds() or time.perf_counter() - begin
            distilled, begin = made.load(kind), time.perf_counter()
            score = evaluate(distilled, dataset, protocol, seed=settings.seed, title=name)
            evaluation_seconds = time.perf_counter() - begin
            how = {"networks": protocol.networks, "seed": settings.seed}
            own = evaluate_own_way(distilled, dataset, **how, title=f"{name}, own way")
        where = stamp()
        return CellResult(
            accuracies=score.accuracies.tolist(),
            correct=score.correct.tolist(),
            tested=score.tested.tolist(),
            own_way=[] if own is None else own.accuracies.tolist(),
            lr=float(distilled.lr),
            seconds=seconds,
            evaluation_seconds=evaluation_seconds,
            peak_bytes=peak.bytes,
            steps=getattr(settings.distill, "steps", None),
            where=f"{where['hardware']}, {where['date']}, jax {where['versions']['jax']}",
        )._asdict()

    path = Path(folder) / "cells" / protocol_name / f"{name}.json"
    decided = settings.decisive() | {
        "kind": kind,
        "real_images": dataset.identity | {"test": tree_checksum(dataset.test)},
        "result": CellResult._fields,
    }
    place = path.with_suffix("")  # held while the cell is made, and gone after it
    if only_look:
        record = kept(path, decided, partial(missing, place), log)
    else:
        with exclusive(place):
            record = kept(path, decided, make, log)
    result = CellResult(**record["result"])
    log(f"{name}: {100 * moments(result.accuracies)[0]:.2f} %, measured on {record['date']}")
    return result


def check_cells(folder: Path, findings: Findings) -> str:
    """Reads the results of a table; returns a line that says what is there."""
    paths = sorted((folder / "cells").rglob("*.json"))
    for path in paths:
        with findings.of(path, "Remove it; the cell is evaluated again", removable=True):
            try:
                CellResult(**read_json(path)["result"])
            except (KeyError, TypeError) as error:
                raise InputError("it is not the result of a cell") from error
    return f"table of {len(paths)} cells"
