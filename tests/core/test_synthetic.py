"""The learned tree and the labels that it begins with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.core.synthetic import Synthetic, make_synthetic, one_hot_labels


def test_labels_are_one_hot_class_by_class():
    labels = one_hot_labels(3, 4)
    assert (labels.shape, labels.dtype) == ((12, 4), np.float32)
    np.testing.assert_array_equal(labels.argmax(axis=1), np.repeat(np.arange(4), 3))
    np.testing.assert_array_equal(np.sort(labels, axis=1), [[0, 0, 0, 1]] * 12)


def test_the_learned_tree_is_float32_and_holds_the_log_of_the_rate():
    synthetic = make_synthetic(np.ones((4, 5, 6, 3)), one_hot_labels(1, 4), 0.01)
    assert isinstance(synthetic, Synthetic)
    assert [leaf.dtype for leaf in jax.tree.leaves(synthetic)] == [jnp.float32] * 3
    assert synthetic.log_lr.shape == ()
    np.testing.assert_allclose(jnp.exp(synthetic.log_lr), 0.01, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.0}, "must be positive, got 0.0"),
        ({"lr": float("nan")}, "must be positive, got nan"),
        ({"lr": np.ones((2, 2))}, r"rates \[\] or \[S\].*\(2, 2\)"),
        ({"images": np.ones((3, 5, 6, 3))}, r"\(3, 5, 6, 3\), \(4, 4\)"),
        ({"labels": np.arange(4)}, r"\(4, 5, 6, 3\), \(4,\)"),
    ],
)
def test_what_is_no_synthetic_set_is_refused(change, message):
    given = {"images": np.ones((4, 5, 6, 3)), "labels": one_hot_labels(1, 4), "lr": 0.01}
    with pytest.raises(ValueError, match=message):
        make_synthetic(**given | change)
