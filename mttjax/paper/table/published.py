"""What papers report: test accuracies in per cent, where they were read, and how they came about.

Every figure here was read in the source that its row names, most of them where a later paper
quotes the original. Two rows of MTT's table are left out because no text that could be
read has them: Herding on Tiny ImageNet and LD on CIFAR-100.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mttjax.config.methods import TITLES

__all__ = ["SOURCES", "Figure", "published_caption", "published_figure"]

SOURCES = {
    "DC": "Zhao, Mopuri & Bilen, ICLR 2021, Table 1, as in the README of its code",
    "DSA": "Zhao & Bilen, ICML 2021, as in the README of its code (Table 2 there)",
    "KIP": "Nguyen, Novak, Xiao & Lee, NeurIPS 2021, Table 1, quoting LD",
    "FTD": "Du et al., CVPR 2023, Table 1, quoting MTT's paper",
    "AutoPalette": "Yuan et al., NeurIPS 2024, Table 1, quoting DD",
    "PAD": "Li et al., arXiv 2408.03360, Table 1, quoting DM",
    "DATM": "Guo et al., ICLR 2024, as the figure comparison.png of its code shows",
    "InfoUtil": "Wang et al., arXiv 2601.21296, Table 1, quoting MTT, and Table 9, the selections",
}
"""Where a figure was read; tables number these in their order."""


class Figure(NamedTuple):
    """A published accuracy."""

    percent: float
    source: str
    """A key of ``SOURCES``."""

    @property
    def mark(self) -> str:
        """As tables and captions refer to the source, such as ``[3]``."""
        return f"[{list(SOURCES).index(self.source) + 1}]"


class _Row(NamedTuple):
    percents: tuple[float | None, ...]
    """At 1, 10 and 50 images per class."""
    source: str


_IPCS = (1, 10, 50)

_TABLE = {
    "cifar10": {
        "random": _Row((14.4, 26.0, 43.4), "InfoUtil"),
        "herding": _Row((21.5, 31.6, 40.4), "InfoUtil"),
        "forgetting": _Row((13.5, 23.3, 23.3), "InfoUtil"),
        "dd": _Row((None, 36.8, None), "AutoPalette"),
        "ld": _Row((25.7, 38.3, 42.5), "KIP"),
        "dc": _Row((28.3, 44.9, 53.9), "DC"),
        "dsa": _Row((28.8, 52.1, 60.6), "DSA"),
        "dm": _Row((26.0, 48.9, 63.0), "FTD"),
        "cafe": _Row((30.3, 46.3, 55.5), "FTD"),
        "cafe_dsa": _Row((31.6, 50.9, 62.3), "FTD"),
        "mtt": _Row((46.3, 65.3, 71.6), "InfoUtil"),
        "datm": _Row((46.9, 66.8, 76.1), "DATM"),
    },
    "cifar100": {
        "random": _Row((4.2, 14.6, 30.0), "InfoUtil"),
        "herding": _Row((8.4, 17.3, 33.7), "InfoUtil"),
        "forgetting": _Row((4.5, 15.1, 30.5), "InfoUtil"),
        "dc": _Row((12.8, 25.2, None), "DC"),
        "dsa": _Row((13.9, 32.3, 42.8), "FTD"),
        "dm": _Row((11.4, 29.7, 43.6), "FTD"),
        "cafe": _Row((12.9, 27.8, 37.9), "FTD"),
        "cafe_dsa": _Row((14.0, 31.5, 42.9), "FTD"),
        "mtt": _Row((24.3, 40.1, 47.7), "InfoUtil"),
        "datm": _Row((27.9, 47.2, 55.0), "DATM"),
    },
    "tiny_imagenet": {
        "random": _Row((1.4, 5.0, 15.0), "InfoUtil"),
        "forgetting": _Row((1.6, 5.1, 15.0), "InfoUtil"),
        "dm": _Row((3.9, 12.9, 24.1), "PAD"),
        "mtt": _Row((8.8, 23.2, 28.0), "InfoUtil"),
        "datm": _Row((17.1, 31.1, 39.7), "DATM"),
    },
    "mnist": {
        "ld": _Row((60.9, 87.3, 93.3), "KIP"),
        "dc": _Row((91.7, 97.4, 98.8), "DC"),
        "dsa": _Row((88.7, 97.8, 99.2), "DSA"),
    },
    "fashion_mnist": {"dc": _Row((70.5, 82.3, 83.6), "DC"), "dsa": _Row((70.6, 84.6, 88.7), "DSA")},
    "svhn_cropped": {"dc": _Row((31.2, 76.1, 82.3), "DC"), "dsa": _Row((27.5, 79.2, 84.4), "DSA")},
}
"""data set -> method -> its row."""

_FULL_DATA = {"cifar10": 84.8, "cifar100": 56.2, "tiny_imagenet": 37.6}
"""The whole training set, in FTD's table."""

_MEASURED = {
    "by its own 30 steps at their own rates on a network like AlexNet (MNIST: LeNet)": ("dd",),
    "by some hundred steps of Adam at .001 on AlexNet (MNIST: LeNet)": ("ld",),
    "by 300 epochs without augmentation (MNIST: 1000 with crop, scale, rotate)": ("dc",),
    "by 600 epochs without augmentation": ("cafe",),
    "by 1000 epochs with DSA": ("dsa", "dm", "cafe_dsa"),
    "by 1001 epochs with DSA at the learned rate, the best iteration by test accuracy": ("mtt",),
    "the same on its soft labels": ("datm",),
}
"""How figures were measured -> the methods; of the selections no text was read that says it."""


def published_figure(dataset: str, method: str, ipc: int | None) -> Figure | None:
    """A published accuracy, or None; ``full_better`` is of the whole training set."""
    if method == "full_better":
        percent = _FULL_DATA.get(dataset)
        return Figure(percent, "FTD") if percent else None
    row = _TABLE.get(dataset, {}).get(method)
    percent = row.percents[_IPCS.index(ipc)] if row and ipc in _IPCS else None
    return Figure(percent, row.source) if row and percent else None


def published_caption(dataset: str, cells: Iterable[tuple[str, int | None]]) -> str:
    """Where the figures of these (method, ipc) were read and how they were measured, or ``""``."""
    known = [(method, published_figure(dataset, method, ipc)) for method, ipc in cells]
    used = {figure.mark: SOURCES[figure.source] for _, figure in known if figure}
    shown = {method for method, figure in known if figure}
    if not shown:
        return ""
    measured = []
    for words, methods in _MEASURED.items():
        if names := [TITLES[method] for method in methods if method in shown]:
            measured.append(f"{', '.join(names)} {words}")
    if shown - {method for methods in _MEASURED.values() for method in methods}:
        measured.append("how the other rows were trained was not read")
    read = "; ".join(f"{mark} {text}" for mark, text in sorted(used.items()))
    return (
        "Published figures are of the papers' own protocols, from all training images; where "
        "nothing else is said, at rate .01 on a ConvNet of width 128: "
        f"{'; '.join(measured)}.\n\nRead in: {read}."
    )
