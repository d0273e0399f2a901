"""The commands: from the options to the workflows, and errors to messages."""

import argparse
import dataclasses
import functools
import shlex
import sys
from pathlib import Path
from typing import Literal

import tyro

from mttjax.comparison.full_data import FullData
from mttjax.config import Settings
from mttjax.errors import InputError
from mttjax.evaluating import Protocol
from mttjax.networks import NetworkSpec
from mttjax.presets import METHODS, load_preset, preset_names, settings_of
from mttjax.real_data import RealData

__all__ = ["demo", "distill", "evaluate", "export_images", "figure", "table", "train_experts"]


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
class EvaluateOptions:
    """Trains fresh networks on distilled sets and tests them on the real test set.

    Rate, augmentation, preprocessing and network are the set's own.
    """

    set: tuple[Path, ...] = ()
    """Distilled sets of one dataset, .npz files. Give these or --run."""
    run: Path | None = None
    """A run's folder: evaluates all of its sets, writes results.json and the page."""
    networks: tuple[str, ...] = ()
    """Architectures to train on the sets instead of their own: convnet, alexnet, vgg11, resnet18,
    resnet18_ap; with changes (convnet-w64, convnet-d2-batch); or a pool of them: architectures,
    width, depth, activation, pooling, norm. Writes architectures.json and .md."""
    robustness: bool = False
    """How much is owed to labels and augmentation: DD-Ranking's scores. Writes robustness.json."""
    full_accuracy: float | None = None
    """The test accuracy of the network trained on all real images, in [0, 1]; for --robustness."""
    to: Path | None = None
    """Where these files go. None: the run's folder, or that of the first set."""
    random: bool = True
    """Evaluate as many random real images too."""
    seed: int = 0
    """Decides the networks and the random images."""
    data: RealData = dataclasses.field(default_factory=RealData)
    protocol: Protocol = dataclasses.field(default_factory=Protocol)


@_messages
def evaluate(arguments):
    """bin/evaluate: the paper's protocol on sets, or on all sets of a run."""
    options = tyro.cli(EvaluateOptions, args=arguments, prog="evaluate")
    if bool(options.set) == (options.run is not None):
        raise InputError("give either --set FILE.npz or --run FOLDER")
    from mttjax.reporting import print_table
    from mttjax.results import evaluate_sets, load_sets, real_data_of
    from mttjax.run_page import HEADERS, results_rows, save_results

    sets = load_sets(*(options.set or [options.run]))
    first = next(iter(sets.values()))
    dataset = real_data_of(first, folder=options.data.dir, download=options.data.download)
    how = {"protocol": options.protocol, "seed": options.seed}
    folder = options.to or options.run or options.set[0].parent
    if options.robustness:
        from mttjax.robustness import report_robustness

        path = report_robustness(
            sets, dataset, full_accuracy=options.full_accuracy, folder=folder, **how
        )
        print(f"robustness: {path}")
    if options.networks:
        from mttjax.architectures import report_across

        path = report_across(
            sets, dataset, options.networks, folder=folder, with_random=options.random, **how
        )
        print(f"table: {path}")
    if options.robustness or options.networks:
        return 0
    results = evaluate_sets(sets, dataset, with_random=options.random, **how)
    print_table(f"{first.dataset}, test accuracy", HEADERS, results_rows(results))
    if options.run is not None:
        print(f"page: {save_results(options.run, results)}")
    return 0


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """Makes a set by every method at every size, and evaluates all in one way.

    Cells are kept: the same command goes on where it was stopped, and others add to it.
    """

    config: str
    """A preset's name, or the path of one."""
    ipc: tuple[int, ...] = ()
    """Images per class. None: the preset's."""
    methods: tuple[str, ...] = METHODS
    """Out of all methods; the default."""
    protocol: Literal["paper", "short"] = "paper"
    """How networks are trained on the sets: `paper`, 1001 epochs; `short`, 300."""
    networks: int = 5
    """Networks per set."""
    seeds: int = 1
    """Runs of every method that learns, each with a seed of its own."""
    draws: int = 3
    """Sets of random images."""
    kind: Literal["last", "best"] = "last"
    """Which set of a run: the last, or the best on validation."""
    full: bool = True
    """Train networks on all real images too."""
    full_data: FullData = dataclasses.field(default_factory=FullData)
    """How."""
    folder: Path | None = None
    """Where everything goes. None: runs/PRESET-table."""
    experts: str | None = None
    """The experts' folder. None: the preset's."""
    network: NetworkSpec | None = None
    """Another network than the preset's."""
    data: RealData = dataclasses.field(default_factory=RealData)


@_messages
def table(arguments):
    """bin/table: the paper's comparison."""
    options = tyro.cli(TableOptions, args=arguments, prog="table")
    from mttjax.comparison import Plan, compare

    preset = load_preset(options.config)
    plan = Plan(
        ipcs=options.ipc or preset.IPCS,
        methods=options.methods,
        protocol=options.protocol,
        networks=options.networks,
        seeds=options.seeds,
        draws=options.draws,
        kind=options.kind,
        full=options.full_data if options.full else None,
    )

    def change(settings):
        data = dataclasses.replace(settings.data, **dataclasses.asdict(options.data))
        experts = dataclasses.replace(settings.experts, folder=options.experts)
        network = options.network or settings.network
        return dataclasses.replace(settings, data=data, experts=experts, network=network)

    folder = options.folder or Path("runs") / f"{preset.get_config(plan.ipcs[0]).name}-table"
    command = shlex.join(["bin/table", *arguments])
    print(f"page: {compare(preset, plan, folder, change, command)}")
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


@_messages
def figure(arguments):
    """bin/figure: the paper's figures, each as data and a picture."""
    from mttjax.figures.options import FIGURES

    options = tyro.cli(FIGURES, args=arguments, prog="figure")
    print(*options.draw(shlex.join(["bin/figure", *arguments])), sep="\n")
    return 0
