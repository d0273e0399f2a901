"""What a page shows of a run: its accuracies, its images, its curves, as blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mttjax.config.methods import SELECTIONS
from mttjax.distilled import DistilledSet
from mttjax.evaluation.testing import is_imbalanced
from mttjax.reporting import class_table, images_of, percent, run_curves
from mttjax.reporting.blocks import Bar, Bars, Block, Folded, Images, Note, Plot, Section, Table
from mttjax.runs.beside import Beside, beside
from mttjax.runs.folder import SETS, RunFolder

__all__ = ["curves_of", "evaluated", "images_shown", "pictures_of", "results_table", "sets_shown"]

_OWN_WAY = "Own way: after the set's own steps, each at its own rate, and no more."
_IN_OTHER_VIEWS = (
    "Networks are given normalised values, not pixels. First these values as they are, from the "
    "least, black, to the largest, white. Then with those further than 2.5 standard deviations "
    "(±2.5 σ) from their mean cut off, as the published code of MTT shows its images."
)
_OF_REAL_IMAGES = dict.fromkeys(SELECTIONS, "") | {"ld": "; what is learned are their labels"}
"""Methods that leave images what they were, and what else is to be said of them."""
_LOSSES = {
    "mtt": "trajectory loss",
    "datm": "trajectory loss",
    "dd": "loss on real images",
    "ld": "loss on real images",
}
_RATES = {"mtt": "learned rate α", "datm": "learned rate α", "dd": "mean of the learned rates"}
"""Of the methods that learn one."""


def results_table(*records: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """(headers, rows) of results, a row per set, from each ``Results.record()``.

    Balanced accuracies, the mean of those of the classes, have a column where a test set has more
    images of one class than of another, and DD's own way of use where a set has one.
    """
    sets = [(name, row) for record in records for name, row in record["rows"].items()]
    shown = lambda score: percent(score["mean"], score["std"]) if score else ""
    columns = {
        "trained on": [name for name, _ in sets],
        "test accuracy, %": [shown(row) for _, row in sets],
    }
    if any(is_imbalanced(row["tested"]) for _, row in sets):
        columns["balanced, %"] = [shown(row["balanced"]) for _, row in sets]
    if any("own_way" in row for _, row in sets):
        columns["own way, %"] = [shown(row.get("own_way")) for _, row in sets]
    columns["images"] = [_images(row) for _, row in sets]
    columns["networks"] = [row["networks"] for _, row in sets]
    columns["α"] = [f"{row['lr']:.4f}" for _, row in sets]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _images(row):
    stored = row.get("stored_ipc")
    kept_as = "" if stored is None else f", in the bytes of {stored:.3g}"
    return f"{row.get('images_per_class', row['ipc'])} per class{kept_as}"


def evaluated(results: Mapping[str, Any], known: Beside) -> list[Block]:
    """Accuracies as bars, as a table, and of each class."""
    rows, names = results["rows"], results["classes"]
    bars = [Bar(n, r["mean"], r["std"], "random real" in n) for n, r in rows.items()]
    bars.sort(key=lambda bar: bar.name != SETS["best"])
    full = ""
    if len(known.accuracies):
        count = len(known.accuracies)
        name = f"all real images ({count} expert{'' if count == 1 else 's'})"
        bars.append(Bar(name, known.accuracies.mean(), known.accuracies.std(), True))
        full = f" The experts were trained on all real images for {known.epochs} epochs."
    scores = {name: row["per_class"] for name, row in rows.items()}
    tested: list[int] = next((row["tested"] for row in rows.values()), [])
    own = any("own_way" in row for row in rows.values())
    how = (
        f"Accuracy on the real test images of fresh networks, trained for {results['epochs']} "
        f"epochs on each set.{full} Bars: mean of the networks; lines across their ends: "
        "±\N{NO-BREAK SPACE}1 standard deviation."
    )
    blocks: list[Block] = [Bars(how, bars)]
    if own:
        blocks.append(Note(_OWN_WAY))
    blocks.append(Table("Test accuracy, %", *results_table(results)))
    of_classes = Table("Accuracy of each class, %", *class_table(names, tested, scores))
    return [*blocks, Folded("Accuracy of each class", [of_classes])]


def curves_of(run: RunFolder) -> Plot | None:
    """Loss, what is learned of rates, and accuracy over the steps; None before the first."""
    method = str(run.config().get("method"))
    loss = _LOSSES.get(method, "loss")
    return run_curves(run.metrics(), loss=loss, rate=_RATES.get(method))


def sets_shown(run: RunFolder) -> list[tuple[str, DistilledSet]]:
    """(title, set) of a run, the best first, each that is no other's too."""
    shown: list[tuple[list[str], DistilledSet]] = []
    for kind in sorted(SETS, key=lambda kind: kind != "best"):
        if run.set_path(kind).exists():
            distilled = run.load(kind)
            alike = (names for names, s in shown if _same(s, distilled))
            if (names := next(alike, None)) is None:
                shown.append((names := [], distilled))
            names.append(SETS[kind])
    return [(_title(names, distilled), distilled) for names, distilled in shown]


def _title(names, distilled):
    step = distilled.settings.get("step")
    title = " and ".join(names) + ("" if step is None else f", step {step}")
    return title[:1].upper() + title[1:]


def _same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("images", "labels"))


def pictures_of(run: RunFolder) -> list[Block]:
    """The images of a run's sets: the best beside real ones, others and other views folded."""
    method, real = str(run.config().get("method")), beside(run).real
    blocks: list[Block] = []
    for title, distilled in sets_shown(run):
        if blocks:
            blocks.append(Folded(title, [images_shown(distilled, method, most=5)]))
            continue
        parts: list[Block] = [images_shown(distilled, method, real)]
        if method not in _OF_REAL_IMAGES:
            parts.append(_other_views(title, distilled))
        blocks.append(Section(title, parts))
    return blocks


def images_shown(
    distilled: DistilledSet,
    method: str,
    real: Mapping[int, np.ndarray] | None = None,
    most: int = 10,
) -> Images:
    """The images of a set as pixels, with a caption that says what is seen.

    Args:
      distilled: the set.
      method: what made it; some leave real images as they are.
      real: class -> a real image of it, to stand beside those that were learned.
      most: images per class.
    """
    labels = "By their labels' most probable class." if distilled.has_soft_labels else ""
    if method in _OF_REAL_IMAGES:
        caption = f"Real images of the training set{_OF_REAL_IMAGES[method]}. {labels}"
        return images_of(distilled, caption.strip(), most=most, made="real")
    first = "The real image beside them is the first of its class in the training set."
    cut = f"{100 * distilled.clipped():.1f} % of the values"
    how = (
        "Shown as pixels: what normalises the images is undone, and what is darker than black or "
        f"lighter than white ({cut}) is cut off."
    )
    caption = " ".join(filter(None, [how, first if real else "", labels]))
    return images_of(distilled, caption, most=most, real=real)


def _other_views(title, distilled):
    raw = images_of(distilled, "Values as they are.", most=3, as_pixels=False)
    clipped = images_of(distilled, "Values clipped at ±2.5 σ.", most=3, as_pixels=False, clip=2.5)
    return Folded(f"{title}, as networks see it", [Note(_IN_OTHER_VIEWS), raw, clipped])
