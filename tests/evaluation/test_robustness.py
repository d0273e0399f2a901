"""DD-Ranking's scores by hand, and the accuracies that go into them."""

import inspect
import json
import math

import numpy as np
import pytest
from small import PROTOCOL, scored, small_dataset, small_set

from mttjax.evaluation import Scorer
from mttjax.evaluation.robustness import (
    augmentation_robust_score,
    label_robust_score,
    report_robustness,
    robustness_of,
)
from mttjax.system.errors import InputError

DATASET = small_dataset()
NOTHING = (1 - math.exp(-1)) / (math.e - math.exp(-1))


def test_the_label_robust_score_by_hand():
    found = label_robust_score(0.85, 0.65, 0.7, 0.3)
    assert found._fields == ("hlr", "ior", "alpha", "score")
    # α = .5·.4 - .5·.2 = .1; e^.1 = 1.1051709, 1/e = .3678794, e - 1/e = 2.3504024
    np.testing.assert_allclose(found, (0.2, 0.4, 0.1, 0.3136874), atol=1e-7)
    weighted = label_robust_score(0.85, 0.65, 0.7, 0.3, w=0.9)
    assert weighted.alpha == pytest.approx(0.9 * 0.4 - 0.1 * 0.2)


def test_the_augmentation_robust_score_by_hand():
    found = augmentation_robust_score(0.7, 0.3, 0.5, 0.4)
    # β = .5·.4 + .5·.1 = .25; e^.25 = 1.2840254
    np.testing.assert_allclose(found, (0.4, 0.1, 0.25, 0.3897825), atol=1e-7)
    assert augmentation_robust_score(0.7, 0.3, 0.5, 0.4, gamma=1).beta == pytest.approx(0.4)


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 1.0])
def test_a_set_no_better_than_random_and_no_worse_than_all_images_scores_269(accuracy):
    np.testing.assert_allclose(NOTHING, 0.2689414, atol=1e-7)
    assert label_robust_score(*[accuracy] * 4).score == pytest.approx(NOTHING)
    assert augmentation_robust_score(*[accuracy] * 4).score == pytest.approx(NOTHING)


def test_the_scores_reach_from_0_to_1():
    assert label_robust_score(1, 1, 1, 0, w=1).score == pytest.approx(1)
    assert label_robust_score(1, 0, 0, 1).score == pytest.approx(0)
    assert augmentation_robust_score(1, 0, 1, 0).score == pytest.approx(1)
    assert augmentation_robust_score(0, 1, 0, 1).score == pytest.approx(0)


@pytest.mark.parametrize("name", ["set_hard", "w", "set_plain", "gamma"])
@pytest.mark.parametrize("value", [-0.1, 85.0, float("nan")])
def test_per_cent_is_refused_by_the_argument_s_name(name, value):
    score = label_robust_score if name in ("set_hard", "w") else augmentation_robust_score
    numbers = dict.fromkeys(inspect.signature(score).parameters, 0.5)
    with pytest.raises(InputError, match=rf"{name} is .*in \[0, 1\]"):
        score(**numbers | {name: value})


@pytest.fixture
def trained(monkeypatch):
    """What a ``Scorer`` is given, by name; its accuracies are .1, .2 and so on."""
    seen = {}

    def evaluate(self, distilled, *, name):
        seen[name] = distilled
        return scored(len(seen) / 10)

    monkeypatch.setattr(Scorer, "__call__", evaluate)
    return seen


def test_the_accuracies_are_those_of_the_right_sets(trained):
    mine = small_set(2, soft=True)
    result = robustness_of(mine, Scorer(DATASET, PROTOCOL, seed=5), full_accuracy=0.9)
    hard, own, random, plain, random_plain = trained.values()
    np.testing.assert_array_equal(hard.labels, np.repeat(np.eye(3), 2, axis=0))
    assert own is mine
    assert hard.ops == own.ops == random.ops == ("cutout",)
    assert plain.ops == random_plain.ops == ()
    np.testing.assert_array_equal(plain.images, mine.images)
    np.testing.assert_array_equal(random.images, random_plain.images)
    np.testing.assert_array_equal(random.labels, mine.labels)
    assert (hard.lr, random.lr) == (mine.lr, 0.01)
    expected = label_robust_score(0.9, 0.1, 0.2, 0.3)
    assert result.label == pytest.approx(expected)
    expected = augmentation_robust_score(0.2, 0.3, 0.4, 0.5)
    assert result.augmentation == pytest.approx(expected)
    assert result.record()["accuracies"]["full_hard"] == {"mean": 0.9}


def test_hard_labels_and_no_augmentation_of_its_own_change_nothing(tmp_path):
    score = Scorer(DATASET, PROTOCOL, folder=tmp_path, log=lambda _: None)
    result = robustness_of(small_set(ops=()), score, full_accuracy=0.9)
    found = result.record()["accuracies"]
    assert found["set_hard"] == found["set_own"] == found["set_plain"] == found["set_aug"]
    assert found["random_own"] == found["random_plain"] == found["random_aug"]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_wrong_is_said_before_anything_is_trained(trained):
    with pytest.raises(InputError, match=r"full_accuracy is 85\.0"):
        robustness_of(small_set(), Scorer(DATASET, PROTOCOL), full_accuracy=85.0)
    assert not trained


def test_of_a_class_with_too_few_images_all_are_drawn_and_it_is_said(trained, tmp_path):
    lines, how = [], {"full_accuracy": 0.9, "seed": 0, "folder": tmp_path}
    report_robustness({"mine": small_set(11)}, DATASET, PROTOCOL, **how, log=lines.append)
    random = trained["mine: random images, same labels"]
    np.testing.assert_array_equal(random.labels, np.repeat(np.eye(3), 10, axis=0))
    fewer = "fewer than 11 training images of ant (10), bee (10), cat (10)"
    assert lines == [f"mine: {fewer}: as many are drawn"]


def test_the_report_has_all_accuracies_and_a_table(tmp_path, capsys):
    how = {"full_accuracy": 0.95, "seed": 0, "folder": tmp_path}
    path = report_robustness({"mine": small_set()}, DATASET, PROTOCOL, **how)
    assert "| mine " in capsys.readouterr().out
    record = json.loads(path.read_text())
    result = record["sets"]["mine"]
    means = {name: accuracies["mean"] for name, accuracies in result["accuracies"].items()}
    label = [means[n] for n in ("full_hard", "set_hard", "set_own", "random_own")]
    augmentation = [means[n] for n in ("set_aug", "random_aug", "set_plain", "random_plain")]
    assert result["label"] == label_robust_score(*label)._asdict()
    assert result["augmentation"] == augmentation_robust_score(*augmentation)._asdict()
    assert record["protocol"]["epochs"] == PROTOCOL.epochs
    assert len(list((tmp_path / "scores").iterdir())) == 4  # hard labels are its own
