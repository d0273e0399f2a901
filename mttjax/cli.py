"""The commands: from the options to the workflows, and errors to messages."""

import argparse
import dataclasses
import functools
import sys
from pathlib import Path

import tyro

from mttjax.config import Settings
from mttjax.errors import InputError
from mttjax.evaluating import Protocol
from mttjax.presets import METHODS, load_preset, preset_names, settings_of

__all__ = ["demo", "distill", "evaluate", "export_images", "train_experts"]


def _messages(function):
    """Bad input becomes a message and status 2; a stopped run the signal's status."""

    @functools.wraps(function)
    def run(arguments):
        from mttjax.distilling import Stopped

        try:
            return function(arguments)
        except InputError as error:
            return f"{function.__name__}: {error}"
        except OSError as error:
            return f"{function.__name__}: {error.filename or ''}: {error.strerror or error}"
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
            return 128 + stopped.signal

    return run


def settings_from(name, arguments):
    """What ``--config``, ``--ipc`` and ``--method`` choose, changed by the other options.

    Returns:
      (settings, the preset's module, whether ``--ipc`` was given).
    """
    first = argparse.ArgumentParser(prog=name, add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    first.add_argument("--ipc", type=int)
    first.add_argument("--method", default="mtt")
    chosen, rest = first.parse_known_args(arguments)
    about = (
        f"--config NAME|FILE.py chooses a preset ({', '.join(preset_names())}), --ipc N its row, "
        f"--method NAME a method ({', '.join(METHODS)}); every option below changes a setting "
        "of it. The defaults shown are the preset's."
    )
    if chosen.config is None:
        if not {"-h", "--help"} & set(rest):
            raise InputError(f"--config is needed: one of {', '.join(preset_names())}")
        chosen.config = "digits"
    preset = load_preset(chosen.config)
    ipc = chosen.ipc if chosen.ipc is not None else preset.IPCS[0]
    if ipc < 1:
        raise InputError(f"--ipc {ipc}: at least 1 image per class is needed")
    default = settings_of(preset, ipc, chosen.method)
    kind = Settings[type(default.distill)]
    settings = tyro.cli(kind, default=default, args=rest, prog=name, description=about)
    return settings, preset, chosen.ipc is not None


@_messages
def train_experts(arguments):
    """bin/train_experts: experts on the real images, a snapshot per epoch."""
    settings, preset, one_row = settings_from("train_experts", arguments)
    if settings.experts.epochs is None and not one_row:
        settings = _epochs_for_all_rows(settings, preset)
    from mttjax.reporting import save_expert_curves
    from mttjax.workflows import run_experts

    store = run_experts(settings)
    curves = save_expert_curves(store.folder / "accuracies.png", store.manifest)
    print(f"experts: {store.folder}\ncurves:  {curves}")
    return 0


def _epochs_for_all_rows(settings, preset):
    """The epochs that serve every row of the preset which has the same experts."""
    rows = [preset.get_config(ipc) for ipc in preset.IPCS]
    same = [row for row in rows if row.recipe() == preset.get_config(preset.IPCS[0]).recipe()]
    epochs = max([settings.distill.epochs_needed, *(row.distill.epochs_needed for row in same)])
    others = [row.ipc for row in rows if row not in same]
    served = ", ".join(str(row.ipc) for row in same)
    print(f"{epochs} epochs each, enough for {served} images per class")
    if others:
        print(f"other experts are needed for --ipc {', '.join(map(str, others))}")
    return dataclasses.replace(
        settings, experts=dataclasses.replace(settings.experts, epochs=epochs)
    )


@_messages
def distill(arguments):
    """bin/distill: a set of any method, and its page."""
    settings, _, _ = settings_from("distill", arguments)
    from mttjax.run_page import write_run_page
    from mttjax.workflows import run_distill

    folder = run_distill(settings)
    page = write_run_page(folder)
    print(f"distilled set: {folder / 'last.npz'}\npage:          {page}")
    print(f"evaluate it:   bin/evaluate --run {folder}")
    return 0


@dataclasses.dataclass(frozen=True)
class RealData:
    """Where the set's real images are, if not in the package or prepared by TFDS."""

    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Trains fresh networks on distilled sets and tests them on the real test set.

    Rate, augmentation, preprocessing and network are the set's own.
    """

    set: Path | None = None
    """A distilled set, an .npz. Give this or --run."""
    run: Path | None = None
    """A run's folder: evaluates all of its sets, writes results.json and the page."""
    random: bool = True
    """Evaluate as many random real images too."""
    seed: int = 0
    """Decides the networks and the random images."""
    data: RealData = dataclasses.field(default_factory=RealData)
    protocol: Protocol = dataclasses.field(default_factory=Protocol)


@_messages
def evaluate(arguments):
    """bin/evaluate: the paper's protocol on a set or on all sets of a run."""
    options = tyro.cli(EvaluateOptions, args=arguments, prog="evaluate")
    if (options.set is None) == (options.run is None):
        raise InputError("give either --set FILE.npz or --run FOLDER")
    from mttjax.reporting import print_table
    from mttjax.results import evaluate_sets, load_sets, real_data_of
    from mttjax.run_page import HEADERS, results_rows, save_results

    sets = load_sets(options.set or options.run)
    first = next(iter(sets.values()))
    dataset = real_data_of(first, folder=options.data.dir, download=options.data.download)
    results = evaluate_sets(
        sets, dataset, options.protocol, seed=options.seed, with_random=options.random
    )
    print_table(f"{first.dataset}, test accuracy", HEADERS, results_rows(results))
    if options.run is not None:
        print(f"page: {save_results(options.run, results)}")
    return 0


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Writes the images of a distilled set as PNGs, one sub-folder per class."""

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The folder to write to."""


@_messages
def export_images(arguments):
    """bin/export_images: the images of a set as PNGs."""
    options = tyro.cli(ExportOptions, args=arguments, prog="export_images")
    from mttjax.distilled import export_pngs, load_distilled

    paths = export_pngs(load_distilled(options.set), options.to)
    print(f"{len(paths)} images: {options.to}")
    return 0


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """The whole way on the bundled digits, in about three minutes on two cores."""

    folder: Path = Path("runs/demo")
    """Where everything goes; run again, it goes on from there."""


@_messages
def demo(arguments):
    """bin/demo: experts, two distillations and their evaluation on digits."""
    options = tyro.cli(DemoOptions, args=arguments, prog="demo")
    from mttjax.demo import run_demo

    run_demo(options.folder)
    return 0
