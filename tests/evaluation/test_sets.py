"""Which sets are evaluated together, what they are called, and the random images beside them."""

import dataclasses
import json

import numpy as np
import pytest
from small import NAMES, PROTOCOL, scored, small_dataset, small_set

from mttjax.datasets.dataset import Split
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import save_distilled
from mttjax.evaluation import (
    Scorer,
    evaluate,
    evaluate_own_way,
    evaluate_sets,
    load_sets,
    random_real_set,
    real_data_of,
)
from mttjax.system.errors import InputError

DATASET = small_dataset()


def test_files_are_called_by_as_much_of_their_path_as_tells_them_apart(tmp_path):
    files = [tmp_path / name for name in ("a/x/last.npz", "b/x/last.npz", "b/best.npz")]
    for file in files:
        save_distilled(file, small_set())
    assert list(load_sets(files[:1])) == ["last"]
    assert list(load_sets([files[0], files[2]])) == ["last", "best"]
    assert list(load_sets(files[:2])) == ["a/x/last", "b/x/last"]
    with pytest.raises(InputError, match="given twice"):
        load_sets([files[0], files[0]])


def test_sets_are_evaluated_beside_random_images_of_each_size():
    sets = {"b": small_set(2), "a": small_set(1), "again": small_set(1, seed=5)}
    lines = []
    results = evaluate_sets(sets, DATASET, PROTOCOL, seed=3, log=lines.append)
    random = [f"random real images, {ipc} per class" for ipc in (1, 2)]
    assert list(results.rows) == ["b", "a", "again", *random]
    assert [line.split(":")[0] for line in lines] == list(results.rows)
    for name, distilled in sets.items():
        expected = evaluate(distilled, DATASET, PROTOCOL, seed=3)
        about = {"lr": 0.05, "step": 3, "ipc": distilled.ipc}
        assert results.record()["rows"][name] == expected.record() | about
    assert {"epochs", "date", "hardware", "versions"} < set(results.record())
    one_size = {"a": sets["a"]}
    assert list(evaluate_sets(one_size, DATASET, PROTOCOL).rows) == ["a", "random real images"]
    assert list(evaluate_sets(one_size, DATASET, PROTOCOL, with_random=False).rows) == ["a"]


def test_soft_labels_are_evaluated_beside_the_same_images_with_hard_ones():
    soft = small_set(soft=True)
    results = evaluate_sets({"a": soft}, DATASET, PROTOCOL, with_random=False, log=lambda _: None)
    assert list(results.rows) == ["a", "a, hard labels"]
    hard = dataclasses.replace(soft, labels=small_set().labels)
    for name, expected in (("a", soft), ("a, hard labels", hard)):
        own = evaluate(expected, DATASET, PROTOCOL)
        np.testing.assert_array_equal(results.rows[name].evaluation.correct, own.correct)


def test_sets_of_other_data_are_refused_before_anything_is_drawn_or_evaluated():
    other = small_set(99, side=9, dataset="pets")  # nor are there 99 images of a class
    lines = []
    with pytest.raises(InputError, match=r"distilled from pets with images \(9, 9, 1\) of 3 cl"):
        evaluate_sets({"a": small_set(), "b": other}, DATASET, PROTOCOL, log=lines.append)
    with pytest.raises(InputError, match="distilled from pets"):
        random_real_set(other, DATASET, 0)
    assert lines == []


@pytest.mark.parametrize(
    ("distilled", "name", "message"),
    [
        (small_set(), None, "the set is of 'bright', .* give data.dataset, out of digits"),
        (small_set(dataset="digits"), None, "distilled from digits with images .* of 3 classes"),
        (small_set(), "digits", "distilled from bright"),
        (small_set(settings={"data": {"dataset": ["x"]}}), None, r"the set is of \['x'\]"),
    ],
)
def test_the_real_images_of_a_set_are_those_that_it_says(distilled, name, message):
    with pytest.raises(InputError, match=message):
        real_data_of(distilled, name=name)


def test_other_training_images_than_those_of_the_set_are_told():
    digits = load_dataset("digits", validation=0.25)
    known = {"data": {"validation": 0.25, "seed": 0}, "real_images": digits.identity}
    like = {"dataset": "digits", "class_names": digits.class_names}
    like |= {"images": np.zeros((10, 8, 8, 1), np.float32), "labels": np.eye(10, dtype=np.float32)}
    lines = []
    for settings in (known, known | {"real_images": {"checksum": "00000000"}}):
        real_data_of(small_set(settings=settings, **like), log=lines.append)
    others = [line for line in lines if "other training images" in line]
    assert len(others) == 1
    assert others[0].endswith(f"checksum is {digits.checksum}, the set's is '00000000'")


def classes_of(random):
    """The classes of a random set's images, which must be real ones, each once."""
    real = {image.tobytes(): label for image, label in zip(*DATASET.train, strict=True)}
    pixels = [image.tobytes() for image in random.pixels()]
    assert len(set(pixels)) == len(pixels)
    return [real[image] for image in pixels]


def test_random_images_are_real_ones_of_the_label_s_class_each_once():
    mine = small_set(2, soft=True)
    random = random_real_set(mine, DATASET, 0)
    assert classes_of(random) == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(random.labels, np.repeat(np.eye(3), 2, axis=0))
    assert (random.lr, random.ops, random.network) == (0.01, mine.ops, mine.network)
    assert (random_real_set(mine, DATASET, 1).images != random.images).any()
    order = [3, 0, 5, 1, 4, 2]
    mixed = small_set(2, images=mine.images[order], labels=mine.labels[order])
    with_labels = random_real_set(mixed, DATASET, 0, own_labels=True)
    assert classes_of(with_labels) == mixed.classes.tolist() == [1, 0, 2, 0, 2, 1]
    np.testing.assert_array_equal(with_labels.labels, mixed.labels)
    uneven = small_set(2, labels=np.eye(3, dtype=np.float32)[[0, 2, 2, 0, 2, 2]])
    assert classes_of(random_real_set(uneven, DATASET, 0, own_labels=True)) == [0, 2, 2, 0, 2, 2]


@pytest.fixture
def scores(monkeypatch):
    """Nothing is trained."""
    monkeypatch.setattr(Scorer, "__call__", lambda self, distilled, *, name: scored(0.5, 0.7))


def test_of_a_class_with_fewer_images_than_the_set_all_are_taken_and_it_is_said(scores):
    keep = np.flatnonzero((DATASET.train.labels != 1) | (np.arange(30) < 6))  # two bees
    train = Split(*(part[keep] for part in DATASET.train))
    few, lines = dataclasses.replace(DATASET, train=train), []
    random = random_real_set(small_set(4), few, 0)
    assert classes_of(random) == [0] * 4 + [1] * 2 + [2] * 4
    results = evaluate_sets({"mine": small_set(4)}, few, PROTOCOL, log=lines.append)
    name = "random real images, up to 4 per class"
    assert lines[0] == f"{name}: fewer than 4 training images of bee (2)"
    assert results.rows[name].ipc == results.rows["mine"].ipc == 4


def test_results_have_the_classes_and_dds_own_way(scores):
    rates = [0.1, 0.2, 0.3, 0.2, 0.1, 0.3]
    dd = small_set(2, settings={"method": "dd", "rates": rates})
    record = evaluate_sets({"dd": dd, "other": small_set(2)}, DATASET, PROTOCOL, seed=3).record()
    assert record["classes"] == list(NAMES)
    own = evaluate_own_way(dd, DATASET, networks=PROTOCOL.networks, seed=3)
    assert record["rows"]["dd"]["own_way"] == own.record()
    assert ["own_way" in row for row in record["rows"].values()] == [True, False, False]
    assert json.loads(json.dumps(record)) == record
