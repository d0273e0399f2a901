"""The figures of ``mttjax figure``: what each is drawn of, by its options."""

import dataclasses
from collections.abc import Sequence
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

from mttjax.cli.advice import advising, changes, typed
from mttjax.cli.figure import CostOptions, DistanceOptions, GridOptions, RangeOptions
from mttjax.cli.options import require_folder
from mttjax.cli.sharing import shared
from mttjax.config.presets import load_preset
from mttjax.distilled import load_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.experts.store import ExpertStore
from mttjax.paper.figures.cost import draw_cost
from mttjax.paper.figures.distance import draw_distance
from mttjax.paper.figures.grid import draw_grid
from mttjax.paper.figures.held_out import as_distilled, require_held_out, used_experts
from mttjax.paper.figures.range import draw_range
from mttjax.runs.folder import RunFolder
from mttjax.system.errors import InputError

__all__ = ["draw"]


@singledispatch
def draw(options: Any, arguments: Sequence[str]) -> list[Path]:
    """Draws the figure of the options, which were typed so; returns the files written."""
    raise TypeError(f"{type(options).__name__} is no figure")


@draw.register
def _(options: RangeOptions, arguments: Sequence[str]) -> list[Path]:
    require_folder("--folder", options.folder)
    preset = load_preset(options.config).settings(options.ipc, "mtt")
    settings = dataclasses.replace(
        preset,
        data=options.data.over(preset.data),
        experts=_changed(preset.experts, folder=options.experts, count=options.count),
        distill=_changed(preset.distill, steps=options.steps, max_start=options.max_start),
    )
    folder = options.folder or Path("runs") / f"{settings.run_name}-ipc{settings.ipc}-range"
    with advising(_experts(options, settings, preset)):
        make = partial(draw_range, settings, options, folder, command=typed("figure", arguments))
        marks = folder / "cells" / options.protocol_name
        return shared(options, ["figure", *arguments], marks, make)


def _experts(options, settings, preset):
    """The command that trains as many experts to as many epochs as the sweep reads."""
    longest = _changed(settings.distill, expert_epochs=max(options.expert_epochs))
    wanted = dataclasses.replace(settings, distill=longest)
    groups = ("data", "experts", "distill")
    changed = [o for g in groups for o in changes(g, getattr(wanted, g), getattr(preset, g))]
    if (wanted.experts.epochs or longest.epochs_needed) < longest.epochs_needed:
        changed += ["--experts.epochs", longest.epochs_needed]
    known = ["--config", options.config, "--ipc", settings.ipc]
    return typed("train_experts", [*known, *changed])


def _changed(settings, **changes):
    """``settings`` with those of the changes that were asked for."""
    given = {name: value for name, value in changes.items() if value is not None}
    return dataclasses.replace(settings, **given)


@draw.register
def _(options: DistanceOptions, arguments: Sequence[str]) -> list[Path]:
    require_folder("--to", options.to)
    run, distilled = _run_and_set(options)
    last = as_distilled(options, distilled).target(max(options.starts))
    store = ExpertStore(options.experts)
    used = set() if options.allow_used else used_experts(distilled, store, run.metrics())
    require_held_out(options.held_out, last, store, used)
    dataset = real_data_of(distilled, **options.data.source)
    return draw_distance(distilled, store, dataset, options, options.to or run.path / "distance")


def _run_and_set(options):
    if (options.set is None) == (options.run is None):
        raise InputError("give either --set FILE.npz or --run FOLDER")
    if options.run is not None:
        return RunFolder(options.run), RunFolder(options.run).load(options.kind)
    return RunFolder(options.set.parent), load_distilled(options.set)


@draw.register
def _(options: GridOptions, arguments: Sequence[str]) -> list[Path]:
    return draw_grid(load_distilled(options.set), options.to)


@draw.register
def _(options: CostOptions, arguments: Sequence[str]) -> list[Path]:
    require_folder("--to", options.to)
    return draw_cost(options.runs, options.to, experts=options.with_experts)
