"""A run's page and the table of its results."""

import numpy as np
import pytest
from small import NAMES, scored, small_set

from mttjax.evaluation import Results, Row
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import results_table, save_results
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
