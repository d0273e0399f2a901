"""The selections against naive loops and against answers known by hand."""

import numpy as np
import pytest
from scipy import stats

from mttjax.core.selection import forgetting, forgetting_counts, herding, k_center, random_selection

LABELS = np.array([1, 0, 2, 1, 0, 2, 2, 1, 0, 0, 1, 2, 2, 0, 1, 1])


def random_features(seed=0, dims=5):
    return np.random.default_rng(seed).standard_normal((len(LABELS), dims)) + 3


def herding_by_a_naive_loop(features, labels, ipc, classes):
    """The definition, one candidate after another."""
    selected = []
    for k in range(classes):
        members = [j for j in range(len(labels)) if labels[j] == k]
        mean = sum(features[j] for j in members) / len(members)
        chosen = []
        for i in range(ipc):
            so_far = sum((features[j] for j in chosen), np.zeros_like(mean))
            distance = {
                j: np.linalg.norm((i + 1) * mean - so_far - features[j])
                for j in members
                if j not in chosen
            }
            chosen.append(min(distance, key=distance.get))
        selected += chosen
    return selected


def k_center_by_a_naive_loop(features, labels, ipc, classes):
    selected = []
    for k in range(classes):
        members = [j for j in range(len(labels)) if labels[j] == k]
        mean = sum(features[j] for j in members) / len(members)
        chosen = [min(members, key=lambda j: np.linalg.norm(features[j] - mean))]
        while len(chosen) < ipc:
            left = [j for j in members if j not in chosen]
            near = [min(np.linalg.norm(features[j] - features[c]) for c in chosen) for j in left]
            chosen.append(left[int(np.argmax(near))])
        selected += chosen
    return selected


@pytest.mark.parametrize("ipc", [1, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_herding_and_k_center_equal_naive_loops(seed, ipc):
    features = random_features(seed)
    chosen = herding(features, LABELS, ipc=ipc, classes=3)
    np.testing.assert_array_equal(chosen, herding_by_a_naive_loop(features, LABELS, ipc, 3))
    assert chosen.dtype == np.int64
    chosen = k_center(features, LABELS, ipc=ipc, classes=3)
    np.testing.assert_array_equal(chosen, k_center_by_a_naive_loop(features, LABELS, ipc, 3))
    assert chosen.dtype == np.int64


@pytest.mark.parametrize(
    ("select", "expected"), [(herding, [2, 1, 3, 0]), (k_center, [2, 3, 0, 1])]
)
def test_of_a_line_the_selection_is_known_by_hand(select, expected):
    """0, 1, 4, 11 have mean 4: first 4 itself.

    Herding: 8 - 4 - f is least at 1; then 12 - 5 - f at 11 (4 away, where 0 is 7 away). k-center:
    11 is the farthest, 7 away; then 0, 4 away; then 1.
    """
    features = np.array([[0.0], [1.0], [4.0], [11.0]])
    np.testing.assert_array_equal(select(features, np.zeros(4, int), ipc=4, classes=1), expected)


@pytest.mark.parametrize("select", [herding, k_center])
def test_copies_of_one_image_are_still_chosen_once_each(select):
    chosen = select(np.full((6, 3), 0.1), np.repeat([0, 1], 3), ipc=3, classes=2)
    np.testing.assert_array_equal(np.sort(chosen.reshape(2, 3)), [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("select", [herding, k_center])
def test_a_far_away_mean_costs_no_digits_and_float32_is_taken(select):
    features = random_features()
    expected = select(features, LABELS, ipc=4, classes=3)
    np.testing.assert_array_equal(select(features + 1e6, LABELS, ipc=4, classes=3), expected)
    np.testing.assert_array_equal(
        select(features.astype(np.float32), LABELS, ipc=4, classes=3), expected
    )


def test_forgetting_counts_of_five_known_histories():
    histories = {
        "always correct": ([1, 1, 1, 1, 1], 0),
        "never correct": ([0, 0, 0, 0, 0], 0),
        "learned late": ([0, 0, 0, 0, 1], 0),
        "forgotten twice": ([1, 0, 1, 0, 0], 2),
        "forgotten at the last": ([0, 1, 1, 1, 0], 1),
    }
    correct = np.array([history for history, _ in histories.values()], bool).T
    counts = forgetting_counts(correct)
    np.testing.assert_array_equal(counts, [expected for _, expected in histories.values()])
    assert counts.dtype == np.int64
    first = forgetting_counts(correct, "first")
    np.testing.assert_array_equal(first, [0, 5, 0, 2, 1])
    np.testing.assert_array_equal(forgetting_counts(np.array([[True, False]]), "first"), [0, 1])


def test_forgetting_takes_the_most_forgotten_and_of_equals_any():
    labels = np.array([0, 1, 0, 1, 0, 1, 0])
    counts = np.array([2, 1, 7, 0, 3, 3, 0], np.uint8)
    rng = np.random.default_rng
    chosen = forgetting(rng(0), counts, labels, ipc=3, classes=2)
    np.testing.assert_array_equal(chosen, [2, 4, 0, 5, 1, 3])
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(forgetting(rng(0), counts / 2, labels, ipc=3, classes=2), chosen)
    counts, labels = np.arange(400) % 2, np.zeros(400, int)
    chosen = forgetting(rng(0), counts, labels, ipc=250, classes=1)
    assert set(chosen[:200]) == set(range(1, 400, 2))
    draws = [forgetting(rng(i), counts, labels, ipc=210, classes=1)[200:] for i in range(500)]
    taken = np.bincount(np.concatenate(draws), minlength=400)[::2]
    assert stats.chisquare(taken).pvalue > 1e-3


def test_random_images_are_of_their_classes_none_taken_twice():
    chosen = random_selection(np.random.default_rng(7), LABELS, ipc=4, classes=3)
    np.testing.assert_array_equal(LABELS[chosen], np.repeat([0, 1, 2], 4))
    assert len(set(chosen)) == 12
    assert chosen.dtype == np.int64


def test_every_image_of_a_class_may_be_taken():
    rng, labels = np.random.default_rng(1), np.tile(np.arange(4), 6)
    draws = [random_selection(rng, labels, ipc=1, classes=4) for _ in range(1200)]
    assert stats.chisquare(np.bincount(np.concatenate(draws), minlength=24)).pvalue > 1e-3


SELECTIONS = {
    "herding": lambda labels, **settings: herding(random_features(), labels, **settings),
    "k_center": lambda labels, **settings: k_center(random_features(), labels, **settings),
    "forgetting": lambda labels, **settings: forgetting(
        np.random.default_rng(0), np.arange(16) % 7, labels, **settings
    ),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_smaller_ipc_is_the_beginning_of_a_larger(name):
    few, many = (SELECTIONS[name](LABELS, ipc=ipc, classes=3).reshape(3, -1) for ipc in (2, 4))
    np.testing.assert_array_equal(few, many[:, :2])


@pytest.mark.parametrize("name", SELECTIONS)
@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (LABELS, {"ipc": 6}, "class 0 has 5 images and ipc is 6: take a smaller ipc"),
        (LABELS, {"classes": 4}, "class 3 has 0 images and ipc is 2"),
        (LABELS, {"classes": 2}, "labels from 0 to 2 do not fit 2 classes"),
        (LABELS - 1, {}, "labels from -1 to 1 do not fit 3"),
        (LABELS, {"ipc": 0}, "ipc is 0: must be a whole number of at least 1"),
        (LABELS + 0.5, {}, r"integers \[n\], got shape \(16,\) of float64"),
        (LABELS[:-1], {}, r"\(15,\): give one"),
    ],
)
def test_what_cannot_be_selected_is_refused(name, labels, settings, message):
    with pytest.raises(ValueError, match=message):
        SELECTIONS[name](labels, **{"ipc": 2, "classes": 3} | settings)


@pytest.mark.parametrize("select", [herding, k_center])
def test_features_of_no_use_are_refused(select):
    with pytest.raises(ValueError, match=r"\(16,\) and \(16,\): give one row"):
        select(np.zeros(16), LABELS, ipc=2, classes=3)
    features = random_features()
    features[3, 1] = np.nan
    with pytest.raises(ValueError, match="not all finite"):
        select(features, LABELS, ipc=2, classes=3)


@pytest.mark.parametrize("correct", [np.ones((3, 4)), np.ones(3, bool), np.ones((0, 4), bool)])
def test_no_history_of_bools_is_refused(correct):
    with pytest.raises(ValueError, match=r"bool \[T, n\]"):
        forgetting_counts(correct)
