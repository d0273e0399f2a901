"""Which sets are evaluated together, and what they are called."""

import numpy as np
import pytest
from small import PROTOCOL, small_dataset, small_set

from mttjax.core.networks import NetworkSpec
from mttjax.distilled import save_distilled
from mttjax.evaluation.sets import evaluate_sets, load_sets, make_evaluator, random_sets
from mttjax.system.errors import InputError

DATASET = small_dataset()


def test_files_are_called_by_as_much_of_their_path_as_tells_them_apart(tmp_path):
    files = [tmp_path / name for name in ("a/x/last.npz", "b/x/last.npz", "b/best.npz")]
    for file in files:
        save_distilled(file, small_set())
    assert list(load_sets(files[0])) == ["last"]
    assert list(load_sets(files[0], files[2])) == ["last", "best"]
    assert list(load_sets(*files[:2])) == ["a/x/last", "b/x/last"]
    with pytest.raises(InputError, match="given twice"):
        load_sets(files[0], files[0])


def test_the_sets_of_a_run_are_called_by_their_kind(tmp_path):
    save_distilled(tmp_path / "best.npz", small_set())
    assert list(load_sets(tmp_path)) == ["best on validation"]
    with pytest.raises(InputError, match="no distilled set there"):
        load_sets(tmp_path / "..")


def test_there_are_random_images_for_each_size(tmp_path):
    one, two = small_set(1), small_set(2)
    assert list(random_sets({"a": one, "b": small_set(1, lr=1.0)}, DATASET, seed=0)) == [
        "random real images"
    ]
    found = random_sets({"b": two, "a": one}, DATASET, seed=0)
    assert [(n, len(d.images)) for n, d in found.items()] == [
        ("random real images, 1 per class", 3),
        ("random real images, 2 per class", 6),
    ]
    rows = evaluate_sets({"a": one, "b": two}, DATASET, PROTOCOL, log=lambda _: None)["rows"]
    assert list(rows) == ["a", "b", *found]


def test_an_evaluator_trains_the_network_it_is_asked_for():
    """A ConvNet of another width has other accuracies than the set's own."""
    mine = small_set(2)
    spec = NetworkSpec(depth=2, width=16)
    evaluators = [make_evaluator(mine, DATASET, PROTOCOL, s) for s in (None, mine.network, spec)]
    found = [e(mine.images, mine.labels, 0.05, seed=0)["test"].accuracies for e in evaluators]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()
