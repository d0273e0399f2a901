"""The curves of a page: thinned, scaled, and true to what was recorded."""

import json
import re

import numpy as np
import pytest

from mttjax.reporting import expert_curves, run_curves
from mttjax.reporting.charts import MOST_POINTS, Series, plot


def records(steps):
    """A loss that is 1 at the first step and falls, a rate that rises, now and then a score."""
    made = []
    for step in range(1, steps + 1):
        made.append({"step": step, "loss": 1 / step, "lr": 0.01 * step, "seconds": 0.1})
        if step % 10 == 0:
            made.append({"step": step, "evaluation": {"mean": 0.8, "std": 0.01, "networks": 3}})
    return made


def numbers(path):
    return np.array(re.findall(r"-?[\d.]+", path), float).reshape(-1, 2)


def test_the_curves_of_a_run_are_over_one_axis():
    shown = run_curves(records(30), loss="trajectory loss", rate="learned rate α")
    assert [panel.title for panel in shown.panels] == [
        "trajectory loss, log scale",
        "learned rate α, log scale",
        "accuracy on validation",
    ]
    assert (shown.first, shown.last) == (1, 30)
    assert shown.panels[2].points[0][0] == 10
    assert shown.panels[2].points[0][3] == "80.0 ± 1.0 %"
    assert shown.panels[0].alt == (
        "trajectory loss, log scale: from 1 at step 1 to 0.03333 at step 30; "
        "least 0.03333 at step 30, most 1 at step 1"
    )
    for panel in shown.panels:
        points = numbers(panel.line)
        assert ((points >= 0) & (points <= 100)).all()
        assert len(panel.ticks) >= 1


def test_without_a_learned_rate_there_is_no_curve_of_it():
    assert len(run_curves(records(30)).panels) == 2


def test_a_window_of_epochs_has_a_curve_where_it_moves():
    def titles(window):
        made = [line | {"max_start": window(line["step"])} for line in records(30)]
        return [panel.title for panel in run_curves(made).panels]

    assert "upper end of the epochs to start at" in titles(lambda step: 4 + step // 10)
    assert len(titles(lambda step: 4)) == 2


@pytest.mark.parametrize(
    "made",
    [
        [],
        [{"step": 1, "evaluation": None}],
        [{"step": 1, "loss": float("nan"), "lr": float("inf")}],
    ],
)
def test_where_nothing_was_recorded_there_is_no_plot(made):
    assert run_curves(made, rate="rate") is None


@pytest.mark.parametrize("steps", [2, 500, 501, 5000])
def test_a_long_run_is_thinned_and_its_extremes_stay(steps):
    made = records(steps)
    made[0]["loss"] = 1000.0
    panel = run_curves(made).panels[0]
    assert min(steps, MOST_POINTS // 2) <= len(panel.points) <= MOST_POINTS
    # The highest point of the band is the largest loss, wherever the means lie.
    assert numbers(panel.band)[:, 1].min() == pytest.approx(100 * 0.06 / 1.12, abs=0.01)
    assert len(json.dumps(panel.points)) < 50_000


def test_a_gap_breaks_the_line_and_is_not_read_out():
    values = [1, 2, float("nan"), 3, 4]
    panel = plot([Series("loss", range(5), values)], "").panels[0]
    assert panel.line.count("M") == 2
    assert panel.band.count("Z") == 2
    assert [step for step, *_ in panel.points] == [0, 1, 3, 4]


def test_equal_values_have_a_scale():
    panel = plot([Series("loss", (1, 2), (0.0, 0.0))], "").panels[0]
    assert set(numbers(panel.line)[:, 1]) == {50}


@pytest.mark.parametrize(("name", "best"), [("evaluation", 3), ("test", 1)])
def test_the_best_of_equal_evaluations_is_that_of_the_loop(name, best):
    scores = [0.7, 0.85, 0.8, 0.85, 0.6]
    made = [{"step": i, name: {"mean": m, "std": 0}} for i, m in enumerate(scores)]
    (panel,) = run_curves(made).panels
    assert panel.remark == f"best 85.0 % at step {best}"
    assert panel.title == f"accuracy on {'validation' if best == 3 else 'test'}"


def test_the_experts_curve_is_their_mean():
    curves = [{0: 0.1, 1: 0.5, 2: 0.7}, {0: 0.3, 1: 0.7}]
    shown = expert_curves(curves)
    (panel,) = shown.panels
    assert [text for *_, text in panel.points] == ["20.0 ± 10.0 %", "60.0 ± 10.0 %", "70.0 ± 0.0 %"]
    assert shown.unit == "epoch"
    assert expert_curves([]) is expert_curves([{}]) is None
