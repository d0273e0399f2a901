"""What a person looks at after a run: its page, with tables, curves and grids."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mttjax.config.methods import NEED_EXPERTS, TITLES
from mttjax.reporting import percent, save_curves, save_views, write_page
from mttjax.runs.folder import SETS, RunFolder
from mttjax.system.errors import InputError

__all__ = ["HEADERS", "results_rows", "run_figures", "save_results", "write_run_page"]

_LOSSES = {"mtt": "trajectory loss", "dd": "loss on real images", "ld": "loss on real images"}

HEADERS = ("images", "method", "test accuracy, %", "networks", "α")


def results_rows(record: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a results table under ``HEADERS``, from ``Results.record()``."""
    return [
        (
            f"{row['ipc']} per class",
            name,
            percent(row["mean"], row["std"]),
            row["networks"],
            f"{row['lr']:.4f}",
        )
        for name, row in record["rows"].items()
    ]


def save_results(folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Keeps ``Results.record()`` beside a run and writes its page, whose path it returns."""
    RunFolder(folder).save_results(record)
    return write_run_page(folder)


def write_run_page(folder: str | Path) -> Path:
    """Draws the curves and grids of a run and its ``index.html``; returns the page's path.

    Args:
      folder: a run's folder; what is not there yet is left out.
    """
    run = RunFolder(folder)
    config, results = run.config(), run.results()
    tables, summary = [], "Not evaluated yet: evaluate this run."
    if results:
        tables, summary = _evaluated(run.path, results)
    name, ipc = config.get("name", run.path.name), config.get("ipc", "?")
    title = f"{name}: {ipc} image{'' if ipc == 1 else 's'} per class"
    return write_page(
        run.path,
        title=f"{title}, {TITLES.get(str(config.get('method')), 'MTT')}",
        summary=summary,
        tables=tables,
        figures=run_figures(run.path),
        settings=config,
        command=_command(name, ipc, config.get("method", "mtt")),
    )


def _evaluated(path, results):
    """The tables and the summary of the results."""
    try:
        tables = [("Test accuracy", HEADERS, results_rows(results))]
        return tables, (
            f"Fresh networks trained for {results['epochs']} epochs on each set, then tested "
            f"on the real test set. {results['date']}, {results['hardware']}."
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: its results are not those of an evaluation ({error!r}); evaluate it again"
        ) from error


def _command(name, ipc, method):
    """The commands that make the run again with the preset's settings."""
    name, ipc, method = (shlex.quote(str(word)) for word in (name, ipc, method))
    options = f"--config {name} --ipc {ipc}"
    chosen = "" if method == "mtt" else f"--method {method} "
    run = f"runs/{name}{'' if method == 'mtt' else f'-{method}'}-ipc{ipc}"
    lines = [f"mttjax train_experts {options}"] if method in NEED_EXPERTS else []
    return "\n".join([*lines, f"mttjax distill {chosen}{options}", f"mttjax evaluate run {run}"])


def run_figures(folder: str | Path) -> list[tuple[Path, str]]:
    """(path, caption) of the grids and the curves of a run, drawn now."""
    run, figures = RunFolder(folder), []
    for kind, name in SETS.items():
        if not run.set_path(kind).exists():
            continue
        distilled = run.load(kind)
        views = save_views(run.grids, kind, distilled)
        step = distilled.settings.get("step")
        captions = ("raw values", "clipped at ±2.5 σ", "as pixels")
        described = [
            (path, f"{name}{'' if step is None else f', step {step}'}: {caption}")
            for path, caption in zip(views, captions, strict=True)
        ]
        figures += described if kind == "best" else described[2:]
    if run.metrics():
        method = str(run.config().get("method"))
        curves = save_curves(
            run.path / "curves.png", run.metrics_log.path, loss_title=_LOSSES.get(method, "loss")
        )
        figures.append((curves, "Loss, learned rate, validation accuracy and time per step."))
    return figures
