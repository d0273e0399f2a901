"""What a person looks at after a run: its page, with tables, curves and grids."""

import shlex
from pathlib import Path

from mttjax.config.methods import NEED_EXPERTS, TITLES
from mttjax.distilled import load_distilled
from mttjax.evaluation.sets import KINDS
from mttjax.reporting import percent, save_curves, save_views, write_page
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json

__all__ = ["HEADERS", "results_rows", "run_figures", "save_results", "write_run_page"]

HEADERS = ("images", "method", "test accuracy, %", "networks", "α")


def results_rows(results):
    """The rows of a results table, under ``HEADERS``."""
    return [
        (
            f"{row['ipc']} per class",
            name,
            percent(row["mean"], row["std"]),
            row["networks"],
            f"{row['lr']:.4f}",
        )
        for name, row in results["rows"].items()
    ]


def save_results(folder, results):
    """Writes ``results.json`` and the page of a run; returns the page's path."""
    write_json(Path(folder) / "results.json", results)
    return write_run_page(folder)


def write_run_page(folder):
    """Draws the curves and grids of a run and its ``index.html``; returns the page's path.

    Args:
      folder: a run's folder; what is not there yet is left out.
    """
    folder = Path(folder)
    config, results = (
        read_json(path) if (path := folder / name).exists() else None
        for name in ("config.json", "results.json")
    )
    config = config or {}
    tables, summary = [], "Not evaluated yet: run bin/evaluate --run on this folder."
    if results:
        tables, summary = _evaluated(folder / "results.json", results)
    name, ipc = config.get("name", folder.name), config.get("ipc", "?")
    title = f"{name}: {ipc} image{'' if ipc == 1 else 's'} per class"
    return write_page(
        folder,
        title=f"{title}, {TITLES.get(str(config.get('method')), 'MTT')}",
        summary=summary,
        tables=tables,
        figures=run_figures(folder),
        settings=config,
        command=_command(name, ipc, config.get("method", "mtt")),
    )


def _evaluated(path, results):
    """The tables and the summary of the results in ``path``."""
    try:
        tables = [("Test accuracy", HEADERS, results_rows(results))]
        return tables, (
            f"Fresh networks trained for {results['epochs']} epochs on each set, then tested "
            f"on the real test set. {results['date']}, {results['hardware']}."
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: not the results of an evaluation ({error!r}); remove it and run "
            "bin/evaluate again"
        ) from error


def _command(name, ipc, method):
    """The commands that make the run again with the preset's settings."""
    name, ipc, method = (shlex.quote(str(word)) for word in (name, ipc, method))
    options = f"--config {name} --ipc {ipc}"
    lines = [f"bin/train_experts {options}"] if method in NEED_EXPERTS else []
    if method == "mtt":
        lines += [f"bin/distill {options}", f"bin/evaluate --run runs/{name}-ipc{ipc}"]
    else:
        lines += [f"bin/distill --method {method} {options}"]
        lines += [f"bin/evaluate --run runs/{name}-{method}-ipc{ipc}"]
    return "\n".join(lines)


def run_figures(folder):
    """(path, caption) of the grids and the curves of a run, drawn now."""
    figures = []
    for kind, name in KINDS.items():
        if not (folder / f"{kind}.npz").exists():
            continue
        distilled = load_distilled(folder / f"{kind}.npz")
        views = save_views(folder / "grids", kind, distilled)
        step = distilled.settings.get("step")
        captions = ("raw values", "clipped at ±2.5 σ", "as pixels")
        described = [
            (path, f"{name}{'' if step is None else f', step {step}'}: {c}")
            for path, c in zip(views, captions, strict=True)
        ]
        figures += described if kind == "best" else described[2:]
    if (folder / "metrics.jsonl").exists():
        curves = save_curves(folder / "curves.png", folder / "metrics.jsonl")
        figures.append((curves, "Loss, learned rate, validation accuracy and time per step."))
    return figures
