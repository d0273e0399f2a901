"""What came after the paper, measured: each against MTT at equal image-steps, seed by seed.

    python -m benchmarks.successors --config fashion_mnist --ipc 1 --data.dir FOLDER

Every variant is the preset's row of MTT with the changes named in ``VARIANTS``, on the same experts
or on flat ones, trained first if they are not there; students take as many steps, times images, as
MTT's. Sets are scored on the test images by fresh networks, those of a seed the same for all
variants. Runs and scores are kept: the same command goes on where it was stopped.
"""

import dataclasses
import math
import statistics
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro
from scipy.stats import t as student

from mttjax.cli.launch import same_bits_on_one_core
from mttjax.cli.options import RealData
from mttjax.config.presets import load_preset
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Run
from mttjax.evaluation import Scorer
from mttjax.reporting.tables import markdown_table
from mttjax.runs.problem import load_data
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.fields import COUNT, Checked
from mttjax.system.provenance import stamp


class Variant(NamedTuple):
    """What differs from MTT."""

    changes: dict[str, Any]
    flat: bool = False


_DATM = {"initial": "correct", "labels": "learned", "most_loss": 1.1}
_TILES, _COSINES = {"decoder": "tiles"}, {"decoder": "dct"}

VARIANTS = {
    "MTT": Variant({}),
    "flat experts": Variant({}, flat=True),
    "learned labels": Variant({"labels": "learned"}),
    "DATM": Variant({**_DATM, "growth": "half"}, flat=True),
    "DATM, no growth": Variant(_DATM, flat=True),
    "window to 10": Variant({"max_start": 10}),
    "window by itself": Variant({"growth": "auto", "max_start": 10}),
    "tiles": Variant(_TILES),
    "cosines": Variant(_COSINES),
    "cosines, 16 for 1": Variant({**_COSINES, "factor": 4}),
    "DATM and tiles": Variant({**_DATM, **_TILES, "growth": "half"}, flat=True),
    "DATM and cosines": Variant({**_DATM, **_COSINES, "growth": "half"}, flat=True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """Which data set and size, and how much of it."""

    config: str
    """A preset's name or file; ``benchmarks/presets`` has MNIST and CIFAR-10 at width 32."""
    ipc: Annotated[int, COUNT]
    """Images per class."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which of them, beside MTT."""
    seeds: Annotated[int, COUNT] = 3
    """Runs of each, with seeds of their own on the same experts."""
    steps: Annotated[int | None, COUNT] = None
    """Of MTT; None: the preset's."""
    lr_labels: float = 2.0
    """The learning rate of learned labels."""
    clip: float | None = None
    """Of all of them, see ``MTT.clip``."""
    lr_decoded: float | None = None
    """The learning rate of images that are decoded; None: the preset's."""
    experts: Path | None = None
    """The store of MTT's experts; the flat ones lie beside it, with -gsam. None: the preset's."""
    folder: Path = Path("runs/successors")
    """Where runs and scores are kept."""
    output: Path = Path("results/successors")
    """Where the table goes."""
    data: RealData = dataclasses.field(default_factory=RealData)
    protocol: Protocol = dataclasses.field(default_factory=lambda: Protocol(epochs=300))
    """How networks are trained on the sets."""


class Result(NamedTuple):
    """A variant over all seeds."""

    accuracies: list[float]
    """In per cent, a seed each."""
    steps: int
    image_steps: int
    """Of the students: outer steps times S times B."""
    seconds: float
    """Of the outer steps of a run, the median."""
    stored: int
    """Bytes of a set as it is learned."""


def main() -> None:
    """Fills the table, variant by variant."""
    same_bits_on_one_core()
    options = tyro.cli(Options, prog="python -m benchmarks.successors", description=__doc__)
    settings = load_preset(options.config).settings(options.ipc, "mtt")
    distilling = dataclasses.replace(
        settings.distill, evaluate_every=0, validation=Protocol(networks=0)
    )
    experts = dataclasses.replace(
        settings.experts, folder=str(options.experts or settings.expert_folder)
    )
    settings = dataclasses.replace(
        settings, data=options.data.over(settings.data), distill=distilling, experts=experts
    )
    dataset = load_data(settings)
    place = options.folder / f"{settings.name}-ipc{options.ipc}"
    results = {}
    for name in ("MTT", *(v for v in options.variants if v != "MTT")):
        results[name] = _measured(name, settings, dataset, place, options)
        path = options.output / f"{settings.name}-ipc{options.ipc}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_report(results, settings, options), encoding="utf-8")
    print(f"written: {path}")


def _measured(name, settings, dataset, place, options):
    variant = VARIANTS[name]
    settings = _changed(settings, variant, options)
    run_experts(settings, dataset)
    accuracies, seconds = [], []
    for seed in range(options.seeds):
        folder = place / f"{name.replace(' ', '_')}-seed{seed}"
        own = dataclasses.replace(settings, seed=seed, run=Run(folder=str(folder)))
        run = distill(own, dataset, log=lambda line: print(f"{name}: {line}"))
        score = Scorer(dataset, options.protocol, seed=seed, folder=place / "scores")
        evaluation = score(run.load("last"), name=f"{name}, seed {seed}")
        accuracies.append(100 * evaluation.mean)
        seconds.append(run.seconds())
    last, plan = run.load("last"), settings.distill
    batch = plan.batch or len(last.images)
    work = plan.steps * plan.student_steps * batch
    return Result(accuracies, plan.steps, work, statistics.median(seconds), last.stored_bytes)


def _changed(settings, variant, options):
    """The settings of a variant: its changes, and as many steps as equal image-steps give."""
    base, changes = settings.distill, dict(variant.changes)
    grows = changes.pop("growth", base.growth)
    changed = dataclasses.replace(base, lr_labels=options.lr_labels, clip=options.clip, **changes)
    more = changed.images_of_one  # a student's step sees the same share of them
    steps, batch = math.ceil((options.steps or base.steps) / more), base.batch and base.batch * more
    if grows == "half":  # from half the window to all of it, in half the steps
        grows = (max(1, base.max_start // 2), steps // 2)
    lr_img = base.lr_img if more == 1 else options.lr_decoded or base.lr_img
    changed = dataclasses.replace(changed, steps=steps, batch=batch, growth=grows, lr_img=lr_img)
    experts = settings.experts
    if variant.flat:
        folder = f"{experts.folder}-gsam"
        experts = dataclasses.replace(experts, flat="gsam", folder=folder)
    return dataclasses.replace(settings, distill=changed, experts=experts)


def _report(results, settings, options):
    made, base = stamp(), results["MTT"]
    rows = []
    for name, result in results.items():
        differences = [a - b for a, b in zip(result.accuracies, base.accuracies, strict=True)]
        rows.append(
            (
                name,
                f"{statistics.fmean(result.accuracies):.1f}",
                "" if name == "MTT" else _interval(differences),
                ", ".join(f"{a:.1f}" for a in result.accuracies),
                f"{result.steps:,}",
                f"{result.image_steps:,}",
                f"{result.seconds / 60:.1f}",
                f"{result.stored:,}",
            )
        )
    headers = (
        *("variant", "accuracy, %", "beside MTT", "each seed", "steps", "image-steps"),
        *("minutes", "bytes"),
    )
    network, protocol = settings.network, options.protocol
    asked = {"steps": options.steps, "clip": options.clip, "lr-decoded": options.lr_decoded}
    how = "".join(f" --{name} {value:g}" for name, value in asked.items() if value is not None)
    head = (
        f"# {settings.data.dataset}, {options.ipc} per class: what came after the paper\n\n"
        f"`python -m benchmarks.successors --config {options.config} --ipc {options.ipc}"
        f"{how} --data.dir FOLDER`, {made['hardware']}, {made['date']}, "
        f"jax {made['versions']['jax']}. ConvNet depth {network.depth}, width {network.width}; "
        f"{protocol.networks} networks of {protocol.epochs} epochs a set, the whole test set. "
        "Beside MTT: the mean of the differences seed by seed, on the same experts and the same "
        "test networks, and its 95 % interval."
    )
    return f"{head}\n\n{markdown_table(headers, rows)}\n"


def _interval(differences):
    """Their mean and, of several, half the length of its 95 % interval by Student's t."""
    mean, n = statistics.fmean(differences), len(differences)
    if n == 1:
        return f"{mean:+.1f}"
    half = student.ppf(0.975, n - 1) * statistics.stdev(differences) / math.sqrt(n)
    return f"{mean:+.1f} ± {half:.1f}"


if __name__ == "__main__":
    main()
