"""Published figures: every one has a source that can be read, and the table shows it."""

from types import SimpleNamespace

import numpy as np
import pytest
from small import scored

from mttjax.config.methods import METHODS
from mttjax.config.presets import load_preset, preset_names
from mttjax.paper.table.published import SOURCES, published_caption, published_figure
from mttjax.paper.table.report import COLUMNS, _numbers
from mttjax.paper.table.rows import _steps, overview

DATASETS = {load_preset(name).settings().data.dataset for name in preset_names()}
CELLS = [(d, m, n) for d in DATASETS for m in (*METHODS, "full_better") for n in (1, 10, 50)]


def test_every_figure_names_a_source_and_every_source_has_a_figure():
    figures = [figure for cell in CELLS if (figure := published_figure(*cell))]
    assert {figure.source for figure in figures} == set(SOURCES)
    assert all(0 < figure.percent < 100 for figure in figures)
    assert all("Table" in source or "figure" in source for source in SOURCES.values())


# As the texts that the sources name have them, copied apart from the module.
@pytest.mark.parametrize(
    ("dataset", "method", "percents", "source"),
    [
        ("fashion_mnist", "dc", (70.5, 82.3, 83.6), "DC"),
        ("fashion_mnist", "dsa", (70.6, 84.6, 88.7), "DSA"),
        ("mnist", "ld", (60.9, 87.3, 93.3), "KIP"),
        ("cifar10", "mtt", (46.3, 65.3, 71.6), "InfoUtil"),
        ("cifar10", "dd", (None, 36.8, None), "AutoPalette"),
        ("svhn_cropped", "dsa", (27.5, 79.2, 84.4), "DSA"),
        ("cifar100", "dsa", (13.9, 32.3, 42.8), "FTD"),
        ("tiny_imagenet", "dm", (3.9, 12.9, 24.1), "PAD"),
        ("cifar10", "datm", (46.9, 66.8, 76.1), "DATM"),
        ("cifar100", "full_better", (56.2, 56.2, 56.2), "FTD"),
    ],
)
def test_published_figures(dataset, method, percents, source):
    figures = [published_figure(dataset, method, ipc) for ipc in (1, 10, 50)]
    assert tuple(figure and figure.percent for figure in figures) == percents
    assert {figure.source for figure in figures if figure} == {source}


@pytest.mark.parametrize(
    "cell",
    [
        ("fashion_mnist", "mtt", 10),  # MTT's paper has no such row
        ("tiny_imagenet", "herding", 10),  # remembered, and read nowhere
        ("cifar100", "ld", 1),  # the same
        ("cifar10", "dc", 20),
        ("digits", "mtt", 1),
    ],
)
def test_what_was_read_nowhere_is_not_published(cell):
    assert published_figure(*cell) is None


def test_the_caption_says_of_the_methods_shown_how_they_were_measured_and_where_that_was_read():
    caption = published_caption("fashion_mnist", [("dc", 1), ("dc", 10), ("mtt", 1)])
    assert "DC by 300 epochs without augmentation" in caption
    assert not any(word in caption for word in ("DSA", "MTT", "not read"))
    assert caption.endswith(f"Read in: [1] {SOURCES['DC']}.")
    both = published_caption("cifar10", [("dd", 10), ("ld", 1), ("dsa", 1), ("dm", 1)])
    assert "DD by its own 30 steps" in both
    assert "LD by some hundred steps of Adam" in both
    assert "DSA, DM by 1000 epochs with DSA" in both
    assert "not read" in published_caption("cifar10", [("random", 1), ("dc", 1)])
    assert published_caption("cifar10", [("dd", 1)]) == ""  # a row, but no figure at that size
    assert published_caption("digits", [("dc", 1)]) == ""


def test_a_table_shows_the_source_beside_the_figure():
    result = SimpleNamespace(
        accuracies=[0.5, 0.6], steps=1, own_way=[], evaluation=scored(0.5, 0.6)
    )
    dataset = SimpleNamespace(
        name="fashion_mnist", n_classes=10, train=SimpleNamespace(labels=np.zeros(100))
    )
    rows = {("dc", 10): (result, 1), ("mtt", 10): (result, 1)}
    table = overview(SimpleNamespace(ipc=(10,)), dataset, rows)
    column = list(table.headers).index("published")
    assert [row[column] for row in table.rows] == ["82.3 [1]", ""]
    of_dc, of_mtt = (dict(zip(COLUMNS, row, strict=False)) for row in _numbers(dataset, rows))
    assert (of_dc["published_percent"], of_dc["published_in"]) == (82.3, SOURCES["DC"])
    assert (of_mtt["published_percent"], of_mtt["published_in"]) == (None, None)


def test_steps_stand_beside_those_published_for_the_data_set_and_the_size():
    assert _steps("ld", 10, "fashion_mnist", 250) == "250 of 19600"
    assert _steps("ld", 10, "cifar10", 250) == "250 of 17600"
    assert _steps("dd", 1, "fashion_mnist", 200) == "200, size not published"
    assert _steps("dm", 1, "fashion_mnist", 400) == "400 of 20000"  # the same at every size
    assert _steps("random", 1, "fashion_mnist", None) == ""
