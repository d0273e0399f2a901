"""The command that evaluates sets."""

import dataclasses
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.config.checks import check_options
from mttjax.config.protocol import Protocol
from mttjax.config.settings import RealData
from mttjax.system.errors import InputError

__all__ = ["main"]


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


@messages
def main(arguments):
    """bin/evaluate: the paper's protocol on sets, or on all sets of a run."""
    options = tyro.cli(EvaluateOptions, args=arguments, prog="evaluate")
    if bool(options.set) == (options.run is not None):
        raise InputError("give either --set FILE.npz or --run FOLDER")
    check_options(options)
    require_folder("--to", options.to)
    if options.robustness and options.full_accuracy is None:
        raise InputError("--robustness needs --full-accuracy: that of all real images, in [0, 1]")
    from mttjax.evaluation.sets import evaluate_sets, load_sets, real_data_of
    from mttjax.reporting import print_table
    from mttjax.runs.page import HEADERS, results_rows, save_results

    sets = load_sets(*(options.set or [options.run]))
    first = next(iter(sets.values()))
    dataset = real_data_of(first, folder=options.data.dir, download=options.data.download)
    how = {"protocol": options.protocol, "seed": options.seed}
    folder = options.to or options.run or options.set[0].parent
    if options.robustness:
        from mttjax.evaluation.robustness import report_robustness

        path = report_robustness(
            sets, dataset, full_accuracy=options.full_accuracy, folder=folder, **how
        )
        print(f"robustness: {path}")
    if options.networks:
        from mttjax.evaluation.architectures import report_across

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
