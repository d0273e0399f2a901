"""The uses of ``mttjax convert``: what each does with its options."""

import dataclasses
from functools import singledispatch
from typing import Any

from mttjax.cli.advice import changes, typed
from mttjax.cli.convert import ExportExperts, ExportSet, ImportExperts, ImportOptions, ImportSet
from mttjax.config.presets import load_preset
from mttjax.config.recipe import Recipe
from mttjax.config.settings import Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.distilled import load_distilled, save_distilled
from mttjax.distilled.huggingface import export_huggingface
from mttjax.distilled.layouts import export_layout
from mttjax.distilled.official import read_rate
from mttjax.evaluation.architectures import spec_of
from mttjax.experts.official import export_buffers, last_accuracies
from mttjax.experts.store import ExpertStore
from mttjax.runs.converting import imported_experts, imported_set
from mttjax.system.errors import InputError

__all__ = ["convert"]


@singledispatch
def convert(use: object) -> None:
    """Converts as one of the uses says."""
    raise TypeError(f"{type(use).__name__} is no use of convert")


@convert.register
def _(use: ImportSet) -> None:
    if use.to.suffix != ".npz":
        raise InputError(f"--to {use.to}: give the name of an .npz")
    distilled = imported_set(
        use.images,
        use.labels,
        settings=_settings(use),
        preprocessing=use.preprocessing,
        ops=use.ops,
        network=spec_of(use.network, NetworkSpec()),
        lr=read_rate(use.lr),
        experiment=use.experiment,
        factor=use.factor,
    )
    save_distilled(use.to, distilled)
    print(f"{distilled}\ndistilled set: {use.to}")
    print(f"evaluate it:   {typed('evaluate', ['set', use.to, *_places(use)])}")


@convert.register
def _(use: ImportExperts) -> None:
    recipe = Recipe(
        network=spec_of(use.network, NetworkSpec()),
        preprocessing=use.preprocessing,
        ops=use.ops,
        lr=use.lr,
        batch=use.batch,
    )
    settings = _settings(use)
    store, dataset = imported_experts(use.buffers, use.to, recipe, settings=settings)
    print(f"experts: {store.folder}")
    if use.check:
        for expert, accuracy in last_accuracies(store, dataset).items():
            print(f"expert {expert}: test accuracy {100 * accuracy:.2f} % at its end")
    same = _same_settings(use, recipe, settings)
    print(f"distil from them, all real images: {typed('distill', ['--config', use.config, *same])}")


@convert.register
def _(use: ExportSet) -> None:
    distilled = load_distilled(use.set)
    if use.layout == "huggingface":
        written = export_huggingface(distilled, use.to)
    else:
        written = export_layout(distilled, use.to, use.layout)
    for path in written:
        print(path)
    preprocessing = distilled.preprocessing.kind
    ops = " ".join(distilled.ops) or "none"
    print(f"rate {distilled.lr:g}, images by {preprocessing}, augmentation {ops}")


@convert.register
def _(use: ExportExperts) -> None:
    export_buffers(ExpertStore(use.store), use.to, per_file=use.per_file)


def _settings(use: ImportOptions) -> Settings[Any]:
    preset = load_preset(use.config).settings()
    return dataclasses.replace(preset, data=use.data.over(preset.data))


def _same_settings(use: ImportExperts, recipe: Recipe, settings: Settings[Any]) -> list[str]:
    """The options of ``distill`` that make a preset's settings those that the experts are of."""
    usual = load_preset(use.config).settings()
    data = dataclasses.replace(settings.data, validation=0)
    experts = dataclasses.replace(
        usual.experts, folder=str(use.to), lr=recipe.lr, batch=recipe.batch
    )
    return [
        *("--preprocessing", recipe.preprocessing, "--ops", *recipe.ops),
        *changes("data", data, usual.data),
        *changes("network", recipe.network, usual.network),
        *changes("experts", experts, usual.experts),
    ]


def _places(use: ImportOptions) -> list[str]:
    dir = [] if use.data.dir is None else ["--data.dir", use.data.dir]
    return [*dir, *(["--data.download"] if use.data.download else [])]
