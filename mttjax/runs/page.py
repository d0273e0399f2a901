"""What a person looks at after a run: its page."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from mttjax.config.methods import TITLES
from mttjax.reporting import page, percent, save_views, write_page
from mttjax.reporting.blocks import Block, Code, Folded, Note, Section, SettingsList
from mttjax.runs.beside import beside
from mttjax.runs.folder import SETS, RunFolder
from mttjax.runs.shown import curves_of, evaluated, pictures_of
from mttjax.system.errors import InputError

__all__ = ["run_page", "run_sections", "save_results", "write_run_page"]


def save_results(folder: str | Path, record: Mapping[str, Any]) -> Path:
    """Keeps ``Results.record()`` beside a run and writes its page, whose path it returns."""
    RunFolder(folder).save_results(record)
    return write_run_page(folder)


def write_run_page(folder: str | Path) -> Path:
    """Writes the ``index.html`` of a run, and its sets as PNGs; returns the page's path."""
    run = RunFolder(folder)
    for kind in filter(lambda kind: run.set_path(kind).exists(), SETS):
        save_views(run.grids, kind, run.load(kind))
    return write_page(run.path, run_page(run))


def run_page(run: RunFolder, *, now: str = "", log: str = "") -> bytes:
    """The page of a run; what is not there yet is left out.

    Args:
      run: its folder.
      now: how far the run is, where it goes on.
      log: the end of what it printed.

    Raises:
      InputError: a file of the run is damaged.
    """
    results, lead = run.results(), now or "Not evaluated yet: evaluate this run."
    sections = run_sections(run)
    if results:
        lead = f"{now}\n\n{_in_words(results, beside(run))}"
    elif now:  # what changes first
        sections.sort(key=lambda section: section.heading != _CURVES)
    sections += [
        Section("Log", [Code("the end of the log", log)] if log else []),
        Section("Run it again", _commands(run.commands())),
        Section("What it was made with", _made_with(run, results)),
    ]
    return page(_title(run), lead, sections)


_CURVES = "How it went"


def run_sections(run: RunFolder) -> list[Section]:
    """What came out of a run, then how.

    Raises:
      InputError: its results are not those of an evaluation.
    """
    accuracies: list[Block] = []
    if results := run.results():
        try:
            accuracies = evaluated(results, beside(run))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(
                f"{run.path}: its results are not those of an evaluation ({error!r}); evaluate it "
                "again"
            ) from error
    plot = curves_of(run)
    return [
        Section("Test accuracy", accuracies),
        Section("Images", pictures_of(run)),
        Section(_CURVES, [plot] if plot else []),
    ]


def _title(run):
    config = run.config()
    ipc = config.get("ipc", "?")
    kept = next((run.load(kind) for kind in SETS if run.set_path(kind).exists()), None)
    name = kept.dataset if kept else config.get("name", run.path.name)
    title = f"{name}: {ipc} image{'' if ipc == 1 else 's'} per class"
    return f"{title}, {TITLES.get(str(config.get('method')), 'MTT')}"


def _in_words(results, known):
    """The result that counts, and what it lies between."""
    rows = results["rows"]
    names = [*(SETS[kind] for kind in ("best", "last")), *rows]
    name = next(name for name in names if name in rows)
    random = next((row for other, row in rows.items() if "random real" in other), None)
    text = (
        f"Networks trained on these images ({name}) classify {_score(rows[name])} of the real test "
        "images correctly"
    )
    if random and random is not rows[name]:
        text += f"; on as many random real images, {_score(random)}"
    if len(known.accuracies):
        full = {"mean": known.accuracies.mean(), "std": known.accuracies.std()}
        text += f"; on all real images, {_score(full)}"
    return f"{text}."


def _score(row):
    return f"{percent(row['mean'], row['std'])} %"


def _commands(commands):
    """What makes the run again, a line each, as it was typed; nothing of a program's run."""
    if "distill" not in commands:
        return []
    order = ("train_experts", "distill", "evaluate")
    lines = [str(commands[name]) for name in order if name in commands]
    return [Code("commands", "\n".join(lines))]


def _made_with(run, results):
    """When, where and with what, and the settings."""
    config, lines = run.config(), []
    seconds = [r["seconds"] for r in run.metrics() if isinstance(r.get("seconds"), int | float)]
    if seconds:
        steps = f"{len(seconds)} steps of {median(seconds):.3g} s each (median)"
        lines.append(f"{steps}, {sum(seconds) / 60:.1f} minutes without evaluations.")
    if results:
        lines.append(f"Evaluated on {results.get('date')}, {results.get('hardware')}.")
    if versions := config.get("versions"):
        lines.append(f"Versions: {', '.join(f'{n} {v}' for n, v in versions.items())}.")
    settings = [Folded("Settings", [SettingsList(config)])] if config else []
    return [Note("\n\n".join(lines)), *settings] if lines else settings
