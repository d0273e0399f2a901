"""What is kept of evaluations: never done twice, and never taken for another."""

import dataclasses

import numpy as np
import pytest
from small import PROTOCOL, small_dataset, small_set

from mttjax.core.networks import NetworkSpec
from mttjax.evaluation import scorer as scoring
from mttjax.evaluation.scorer import Scorer
from mttjax.evaluation.sets import evaluate_set, make_evaluator
from mttjax.system.errors import InputError

DATASET = small_dataset()


@pytest.fixture
def trained(monkeypatch):
    """The sets that were trained on; the accuracy is a number that tells calls apart."""
    seen = []

    class Made:
        def __init__(self, number):
            self.number = number

        def record(self):
            return {"mean": self.number / 100, "std": 0.0}

    def evaluate(distilled, evaluator, *, seed, title):
        seen.append((distilled, evaluator, seed))
        return Made(len(seen))

    monkeypatch.setattr(scoring, "evaluate_set", evaluate)
    return seen


def scorer(folder=None, dataset=DATASET, protocol=PROTOCOL, **options):
    return Scorer(dataset, protocol, folder=folder, log=lambda _: None, **options)


def test_a_score_is_that_of_the_evaluator():
    mine = small_set()
    expected = evaluate_set(mine, make_evaluator(mine, DATASET, PROTOCOL), seed=4).record()
    lines = []
    found = Scorer(DATASET, PROTOCOL, seed=4, log=lines.append)(mine, name="mine")
    assert found == expected
    assert lines == [f"mine: {100 * found['mean']:.2f} ± {100 * found['std']:.2f} %"]


def test_the_same_content_is_trained_on_once_whatever_it_is_called(trained):
    score, mine = scorer(), small_set()
    again = dataclasses.replace(mine, images=mine.images.copy(), settings={"step": 9}, seed=3)
    assert score(mine, name="last") == score(again, name="best")
    assert score(mine, name="own", network=mine.network)["mean"] == 0.01
    assert len(trained) == 1


def test_what_was_kept_is_there_for_the_next_process(tmp_path, trained):
    mine = small_set()
    first = scorer(tmp_path)(mine, name="mine")
    assert scorer(tmp_path)(mine, name="mine") == first
    assert len(trained) == len(list(tmp_path.iterdir())) == 1


CHANGES = {
    "lr": {"lr": 0.06},
    "ops": {"ops": ()},
    "images": {"images": small_set().images + np.float32(1e-3)},
    "labels": {"labels": small_set(soft=True).labels},
    "mean": {"preprocessing": small_set().preprocessing._replace(mean=np.float32([0.4]))},
}


@pytest.mark.parametrize("change", CHANGES)
def test_all_that_decides_a_score_tells_it_apart(tmp_path, trained, change):
    mine = small_set()
    before = scorer(tmp_path)(mine, name="mine")
    other = dataclasses.replace(mine, **CHANGES[change])
    assert scorer(tmp_path)(other, name="mine") != before


def test_networks_protocols_seeds_and_test_sets_tell_scores_apart(tmp_path, trained):
    mine, test = small_set(), DATASET.test
    less = dataclasses.replace(DATASET, test=test._replace(labels=test.labels[::-1]))
    scorer(tmp_path)(mine, name="mine")
    scorer(tmp_path)(mine, name="mine", network=NetworkSpec(depth=2, width=4))
    scorer(tmp_path, seed=1)(mine, name="mine")
    scorer(tmp_path, protocol=dataclasses.replace(PROTOCOL, epochs=4))(mine, name="mine")
    scorer(tmp_path, dataset=less)(mine, name="mine")
    assert len(trained) == 5


def test_sets_that_are_used_alike_share_a_program(trained):
    score = scorer()
    score(small_set(), name="one")
    score(small_set(2, lr=0.2), name="two")
    score(small_set(ops=()), name="three")
    evaluators = [evaluator for _, evaluator, _ in trained]
    assert evaluators[0] is evaluators[1]
    assert evaluators[0] is not evaluators[2]


def test_a_set_of_other_data_is_refused(trained):
    with pytest.raises(InputError, match=r"images \(9, 9, 1\)"):
        scorer()(small_set(side=9), name="mine")
