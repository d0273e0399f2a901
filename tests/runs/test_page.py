"""The page of a run: its results, what it shows of the method, and nothing twice."""

import json

import numpy as np
import pytest
from small import NAMES, scored, small_set

from mttjax.evaluation import Results, Row
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import results_table, run_figures, save_results, write_run_page
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
        ["images", "method", "test accuracy, %", "networks", "α"],
        [["1 per class", "last", "70.0 ± 20.0", 2, "0.0200"]],
    )
    headers, rows = results_table(uneven)
    assert headers[3] == "balanced, %"
    assert rows[0][3] == "50.0 ± 16.7"


def test_a_set_of_dd_has_its_own_way_beside_and_the_others_nothing():
    headers, rows = results_table(
        record(tested=[9, 9, 9]), record(tested=[9, 9, 9], own_way=scored(0.6, 0.8))
    )
    assert headers[3] == "own way, %"
    assert [row[3] for row in rows] == ["", "70.0 ± 10.0"]


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


def captions(run):
    return [caption for _, caption in run_figures(run.path)]


VIEWS = ("raw values", "clipped at ±2.5 σ", "as pixels")


def test_the_title_is_the_datas_own_name(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert "<h1>bright: 1 image per class, MTT</h1>" in write_run_page(run.path).read_text()
    begun = make_run(tmp_path / "begun", "dm", sets=())
    assert "<h1>preset: 1 image per class, DM</h1>" in write_run_page(begun.path).read_text()


def test_every_set_is_shown_and_the_best_in_three_views(tmp_path):
    shown = captions(make_run(tmp_path, "mtt"))
    best = [f"best on validation, step 8: {view}" for view in VIEWS]
    assert shown[:-1] == ["last, step 12: as pixels", *best]


def test_no_picture_is_there_twice(tmp_path):
    shown = captions(make_run(tmp_path, "mtt", best=12))
    assert shown[:-1] == [f"last and best on validation, step 12: {view}" for view in VIEWS]
    alone = captions(make_run(tmp_path / "alone", "mtt", sets=("last",)))
    assert alone[:-1] == [f"last, step 12: {view}" for view in VIEWS]


def test_images_that_stay_real_have_one_view_and_learned_labels_are_told_of(tmp_path):
    assert captions(make_run(tmp_path, "random", sets=("last",)))[0] == (
        "last, step 12, real images: as pixels"
    )
    soft = make_run(tmp_path / "ld", "ld", sets=("last",), labels=small_set(soft=True).labels)
    assert captions(soft)[:-1] == [
        "last, step 12, real images, by their labels' most probable class: as pixels"
    ]


@pytest.mark.parametrize(
    ("method", "loss", "rate"),
    [
        ("mtt", "trajectory loss", "learned rate α"),
        ("dd", "loss on real images", "mean of the learned rates"),
        ("ld", "loss on real images", None),
        *((method, "loss", None) for method in ("dc", "dsa", "dm", "cafe", "cafe_dsa")),
    ],
)
def test_curves_are_of_what_the_method_has(method, loss, rate, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "mttjax.runs.page.save_curves", lambda path, log, **titles: drawn.update(titles) or path
    )
    shown = captions(make_run(tmp_path, method, sets=()))
    assert drawn == {"loss_title": loss, "rate_title": rate}
    assert (rate is None) is (shown == ["Loss, accuracy and time per step."])


def test_the_commands_are_those_that_were_typed(tmp_path):
    run = make_run(tmp_path, "mtt")
    assert "Run it again" not in write_run_page(run.path).read_text()
    commands = {"evaluate": "mttjax evaluate run x", "distill": "bin/distill --config 'my own.py'"}
    run.save_commands(commands)
    page = write_run_page(run.path).read_text()
    assert "bin/distill --config &#x27;my own.py&#x27;\nmttjax evaluate run x</code>" in page
    assert json.loads((run.path / "commands.json").read_text())["distill"] == commands["distill"]
