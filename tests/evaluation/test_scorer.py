"""What is kept of evaluations: never done twice, and never taken for another."""

import dataclasses

import numpy as np
import pytest
from small import PROTOCOL, scored, small_dataset, small_set

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.evaluation import Evaluator, Scorer, evaluate
from mttjax.system.errors import InputError

DATASET = small_dataset()


@pytest.fixture
def trained(monkeypatch):
    """The evaluators that were called; the accuracy is a number that tells calls apart."""
    seen = []

    def evaluate(self, images, labels, lr, *, seed, title):
        seen.append(self)
        return {"test": scored(len(seen) / 100)}

    monkeypatch.setattr(Evaluator, "__call__", evaluate)
    return seen


def scorer(folder=None, dataset=DATASET, protocol=PROTOCOL, **options):
    return Scorer(dataset, protocol, folder=folder, log=lambda _: None, **options)


def test_a_score_is_that_of_the_evaluator_as_the_set_says():
    mine, network = small_set(), make_network(NetworkSpec(depth=1, width=4), (8, 8, 1), 3)
    tests = {"test": DATASET.test}
    evaluator = Evaluator(network, mine.preprocessing, ("cutout",), tests, PROTOCOL)
    expected = evaluator(mine.images, mine.labels, 0.05, seed=4)["test"]
    lines = []
    found = Scorer(DATASET, PROTOCOL, seed=4, log=lines.append)(mine, name="mine")
    np.testing.assert_array_equal(found.accuracies, expected.accuracies)
    assert lines == [f"mine: {100 * found.mean:.2f} ± {100 * found.std:.2f} %"]
    again = evaluate(mine, DATASET, PROTOCOL, seed=4)
    np.testing.assert_array_equal(again.accuracies, expected.accuracies)


def test_another_network_is_trained_where_it_is_asked_for():
    spec = NetworkSpec(depth=2, width=16)
    other = evaluate(small_set(2), DATASET, PROTOCOL, network=spec).accuracies
    expected = evaluate(small_set(2, network=spec), DATASET, PROTOCOL).accuracies
    np.testing.assert_array_equal(other, expected)
    assert (other != evaluate(small_set(2), DATASET, PROTOCOL).accuracies).any()


def test_the_same_content_is_trained_on_once_whatever_it_is_called(trained):
    score, mine = scorer(), small_set()
    again = dataclasses.replace(mine, images=mine.images.copy(), settings={"step": 9}, seed=3)
    assert score(mine, name="last").mean == score(again, name="best").mean
    assert score(mine, name="own", network=mine.network).mean == 0.01
    assert len(trained) == 1


def test_what_was_kept_is_there_for_the_next_process(tmp_path, trained):
    mine = small_set()
    first = scorer(tmp_path)(mine, name="mine")
    again = scorer(tmp_path)(mine, name="mine")
    assert (again.mean, again.correct.tolist()) == (first.mean, first.correct.tolist())
    assert len(trained) == len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.06},
        {"ops": ()},
        {"images": small_set().images + np.float32(1e-3)},
        {"labels": small_set(soft=True).labels},
        {"preprocessing": small_set().preprocessing._replace(mean=np.float32([0.4]))},
        {"network": NetworkSpec(depth=2, width=4)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_a_set_says_tells_its_scores_apart(tmp_path, trained, change):
    before = scorer(tmp_path)(small_set(), name="mine")
    assert scorer(tmp_path)(small_set(**change), name="mine").mean != before.mean


def test_protocols_seeds_and_test_sets_tell_scores_apart(tmp_path, trained):
    test = DATASET.test
    less = dataclasses.replace(DATASET, test=test._replace(labels=test.labels[::-1]))
    longer = dataclasses.replace(PROTOCOL, epochs=4)
    for options in ({}, {"seed": 1}, {"protocol": longer}, {"dataset": less}):
        scorer(tmp_path, **options)(small_set(), name="mine")
    assert len(trained) == 4


def test_sets_that_are_used_alike_share_a_program(trained):
    score = scorer()
    score(small_set(), name="one")
    score(small_set(2, lr=0.2), name="two")
    score(small_set(ops=()), name="three")
    assert trained[0] is trained[1]
    assert trained[0] is not trained[2]


def test_a_set_of_other_data_is_refused(trained):
    with pytest.raises(InputError, match=r"images \(9, 9, 1\)"):
        scorer()(small_set(side=9), name="mine")
