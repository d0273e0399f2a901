"""The page of a run: its results, what it shows of the method, and nothing twice."""

import dataclasses
import json
import re

import numpy as np
import pytest
from pages import Page
from small import NAMES, scored, small_dataset, small_set

from mttjax.evaluation import Results, Row
from mttjax.reporting.blocks import Folded, Images
from mttjax.runs.beside import beside, keep_beside, real_images
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import save_results, write_run_page
from mttjax.runs.shown import curves_of, pictures_of, results_table
from mttjax.system.errors import InputError


def record(*, tested, own_way=None):
    """Results of a set whose two networks know the first two classes, and never say "cat"."""
    per_class = [[tested[0], tested[1], 0], [tested[0], 0, 0]]
    evaluation = scored(0.9, 0.5)._replace(correct=per_class, tested=tested)
    evaluation = type(evaluation)(*map(np.array, evaluation))
    row = Row(evaluation, 0.02, 3, 1, own_way)
    made = {"date": "today", "hardware": "a machine"}
    return Results({"last": row}, 30, NAMES, made).record()


def test_balanced_accuracy_has_a_column_where_the_test_set_is_imbalanced():
    even, uneven = record(tested=[10, 10, 10]), record(tested=[28, 1, 1])
    assert results_table(even) == (
        ["trained on", "test accuracy, %", "images", "networks", "α"],
        [["last", "70.0 ± 20.0", "1 per class", 2, "0.0200"]],
    )
    headers, rows = results_table(uneven)
    assert headers[2] == "balanced, %"
    assert rows[0][2] == "50.0 ± 16.7"


def test_a_set_of_dd_has_its_own_way_beside_and_the_others_nothing():
    headers, rows = results_table(
        record(tested=[9, 9, 9]), record(tested=[9, 9, 9], own_way=scored(0.6, 0.8))
    )
    assert headers[2] == "own way, %"
    assert [row[2] for row in rows] == ["", "70.0 ± 10.0"]


def test_the_page_has_every_class_by_its_name(tmp_path):
    run = RunFolder(tmp_path)
    run.save("last", small_set())
    results = record(tested=[28, 2, 0], own_way=scored(0.6))
    text = save_results(tmp_path, results).read_text()
    assert run.results()["rows"]["last"]["tested"] == [28, 2, 0]
    cells = [" ".join(part.split()) for part in text.split("<tr>")]
    assert any("ant" in c and ">28<" in c and "100.0" in c for c in cells)
    assert any("bee" in c and ">2<" in c and "50.0" in c for c in cells)
    assert "Own way: after the set" in text
    with pytest.raises(InputError, match="evaluate it again"):
        save_results(tmp_path, results | {"rows": {}})


# --- what is shown of the run -------------------------------------------------------------------


def make_run(folder, method, *, best=8, sets=("last", "best"), **changes):
    """A run of 12 steps; its sets of ``bright``, by the kinds that it has."""
    run = RunFolder(folder)
    run.begin({"name": "preset", "method": method, "ipc": 1})
    for step in range(1, 13):
        run.metrics_log.write({"step": step, "loss": 1.0, "lr": 0.01 * step, "seconds": 0.1})
    run.metrics_log.close()
    for kind in sets:
        step = 12 if kind == "last" else best
        images = np.full((3, 8, 8, 1), step, np.float32)
        run.save(kind, small_set(images=images, settings={"step": step}, **changes))
    return run


def shown(run):
    """(title, folded or not, how many blocks) of the images of a run."""
    return [
        (block.summary, "folded", len(block.blocks))
        if isinstance(block, Folded)
        else (block.heading, "shown", len(block.blocks))
        for block in pictures_of(run)
    ]


def test_the_title_is_the_datas_own_name(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert "<h1>bright: 1 image per class, MTT</h1>" in write_run_page(run.path).read_text()
    begun = make_run(tmp_path / "begun", "dm", sets=())
    assert "<h1>preset: 1 image per class, DM</h1>" in write_run_page(begun.path).read_text()


def test_the_best_is_shown_first_and_what_else_there_is_folded(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert shown(run) == [
        ("Best on validation, step 8", "shown", 2),
        ("Last, step 12", "folded", 1),
    ]
    pixels, views = pictures_of(run)[0].blocks
    assert isinstance(pixels, Images)
    assert isinstance(views, Folded)
    assert "±2.5 σ" in views.blocks[0].text
    assert "2.5 standard deviations" in views.blocks[0].text


def test_no_picture_is_there_twice(tmp_path):
    assert shown(make_run(tmp_path, "mtt", best=12)) == [
        ("Best on validation and last, step 12", "shown", 2)
    ]
    run = make_run(tmp_path / "noise", "mtt")
    keep_beside(run, small_dataset())
    for seed, kind in enumerate(("best", "last")):
        noise = np.random.default_rng(seed).standard_normal((3, 8, 8, 1), np.float32)
        run.save(kind, dataclasses.replace(run.load(kind), images=noise))
    sources = Page(write_run_page(run.path).read_text()).of("src")
    assert len(sources) == len(set(sources)) == 3 + 3 + 3 + 3 + 3


def test_images_that_stay_real_have_one_view_and_learned_labels_are_told_of(tmp_path):
    (block,) = pictures_of(make_run(tmp_path, "random", sets=("last",)))
    assert [images.caption for images in block.blocks] == ["Real images of the training set."]
    soft = make_run(tmp_path / "ld", "ld", sets=("last",), labels=small_set(soft=True).labels)
    (block,) = pictures_of(soft)
    assert [images.caption for images in block.blocks] == [
        "Real images of the training set; what is learned are their labels. "
        "By their labels' most probable class."
    ]


@pytest.mark.parametrize(
    ("method", "titles"),
    [
        ("mtt", ["trajectory loss", "learned rate α"]),
        ("dd", ["loss on real images", "mean of the learned rates"]),
        ("ld", ["loss on real images"]),
        *((method, ["loss"]) for method in ("dc", "dsa", "dm", "cafe", "cafe_dsa")),
    ],
)
def test_curves_are_of_what_the_method_has(method, titles, tmp_path):
    curves = curves_of(make_run(tmp_path, method, sets=()))
    assert [panel.title for panel in curves.panels] == titles


def test_the_commands_are_those_that_were_typed(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert "Run it again" not in write_run_page(run.path).read_text()
    commands = {"evaluate": "mttjax evaluate run x", "distill": "bin/distill --config 'my own.py'"}
    run.save_commands(commands)
    text = Page(write_run_page(run.path).read_text()).text
    assert "bin/distill --config 'my own.py'" in text
    assert "mttjax evaluate run x" in text
    assert json.loads((run.path / "commands.json").read_text())["distill"] == commands["distill"]


# --- beside what ---------------------------------------------------------------------------------


class Store:
    """Two experts, of which the first was trained longer."""

    exists = True

    def tested_on(self, dataset):
        return True

    def trained_longest(self):
        return {0: 0.9, 3: 0.7}, 12


def test_accuracies_are_beside_random_real_images_and_full_data(tmp_path):
    run = make_run(tmp_path, "mtt")
    keep_beside(run, small_dataset(), Store())
    results = record(tested=[10, 10, 10])
    row = results["rows"]["last"]
    results["rows"] |= {"best on validation": row, "random real images": row | {"mean": 0.25}}
    text = save_results(tmp_path, results).read_text()
    bars = re.findall(r'<li( class="real")?>\n<span class="name">(.*?)</span>', text)
    assert bars == [
        ("", "best on validation"),
        ("", "last"),
        (' class="real"', "random real images"),
        (' class="real"', "all real images (2 experts)"),
    ]
    assert (
        "Networks trained on these images (best on validation) classify 70.0 ± 20.0 % of the real "
        "test images correctly; on as many random real images, 25.0 ± 20.0 %; on all real images, "
        "80.0 ± 10.0 %."
    ) in Page(text).text
    assert "width:80.00%" in text
    assert "left:70.00%;width:20.00%" in text


def test_every_class_stands_beside_its_first_real_image(tmp_path):
    run, dataset = make_run(tmp_path, "mtt"), small_dataset()
    keep_beside(run, dataset)
    real = beside(run).real
    assert sorted(real) == [0, 1, 2]
    assert all((real[k] == dataset.train.images[k]).all() for k in range(3))
    assert [k.real != "" for k in pictures_of(run)[0].blocks[0].classes] == [True] * 3
    assert len(real_images(dataset)) == 3


def test_what_stands_beside_is_kept_once_and_made_again_where_it_is_damaged(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert len(beside(run).real) == 0
    keep_beside(run, small_dataset(), Store())
    whole = run.beside_path.read_bytes()
    keep_beside(run, small_dataset())
    assert run.beside_path.read_bytes() == whole
    run.beside_path.write_bytes(whole[:-50])
    with pytest.raises(InputError, match=r"beside\.npz"):
        write_run_page(run.path)
    keep_beside(run, small_dataset(), Store())
    assert run.beside_path.read_bytes() == whole
    run.save_beside({"classes": np.arange(3)})
    with pytest.raises(InputError, match=r"not what a run keeps there .*remove it"):
        beside(run)
