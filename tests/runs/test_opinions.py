"""DATM's beginning: images that experts know, and the mean of what those say that know them."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.config.methods import MTT
from mttjax.config.settings import Experts
from mttjax.datasets.dataset import Split
from mttjax.runs.opinions import ExpertOpinion
from mttjax.system.errors import InputError

LABELS = np.repeat(np.arange(3, dtype=np.int32), 10)
IMAGES = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1)


def opinion(tables, epoch=5, **distill):
    """Experts that answer from tables, ``tables[expert][image]`` -> logits, after epoch 5 only."""

    def load(expert, at, like):
        assert at == epoch
        return jnp.asarray(tables[expert], jnp.float32)

    names = ("ant", "bee", "cat")
    problem = SimpleNamespace(
        settings=SimpleNamespace(
            distill=MTT(max_start=4, **distill), experts=Experts(count=len(tables))
        ),
        dataset=SimpleNamespace(train=Split(IMAGES, LABELS), n_classes=3, class_names=names),
        preprocessing=lambda images: jnp.asarray(images, jnp.float32),
        store=SimpleNamespace(load=load),
        network=SimpleNamespace(
            shapes=None, apply=lambda params, x: params[x[:, 0, 0, 0].astype(jnp.int32)]
        ),
    )
    return ExpertOpinion(problem)


def knowing(indices, strength=5.0):
    """The logits of an expert that knows these images and takes the others for the next class."""
    said = np.where(np.isin(np.arange(30), indices), LABELS, (LABELS + 1) % 3)
    return strength * np.eye(3)[said]


FIRST = [0, 3, 7, 11, 12, 13, 14, 21]
SECOND = [1, 11, 22, 25, 26]


def test_what_the_first_expert_knows_comes_first_and_nothing_twice():
    """Of class cat it knows one image; the second adds two of the three that it knows."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        order = [rng.permutation(np.flatnonzero(k == LABELS)) for k in range(3)]
        chosen = opinion([knowing(FIRST), knowing(SECOND)]).known_images(
            np.random.default_rng(seed), 3
        )
        expected = []
        for of_class in order:
            later = set(SECOND) - set(FIRST)
            expected += [
                *(i for i in of_class if i in FIRST),
                *(i for i in of_class if i in later),
            ][:3]
        assert chosen.tolist() == expected
        assert len(set(chosen)) == 9


def test_too_few_known_images_are_told_with_their_class_and_the_remedy():
    with pytest.raises(
        InputError, match=r"2 experts know 4 images of class ant after epoch 5.*real"
    ):
        opinion([knowing(FIRST), knowing(SECOND)]).known_images(np.random.default_rng(0), 5)


def test_another_epoch_is_asked_where_it_is_named():
    tables = [knowing(range(30))]
    assert (
        len(opinion(tables, epoch=9, label_epoch=9).known_images(np.random.default_rng(0), 2)) == 6
    )


def test_labels_are_the_mean_over_the_experts_that_are_right():
    tables = [knowing([0, 1], 1.0), knowing([1], 2.0), knowing([0, 1], 4.0)]
    images = jnp.asarray(IMAGES[:3], jnp.float32)
    logits = opinion(tables).mean_logits(images, np.zeros(3, int))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits[0], [2.5, 0, 0])  # the second takes it for a bee
    np.testing.assert_allclose(logits[1], [7 / 3, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(logits[2], [0, 7 / 3, 0], rtol=1e-6)  # nobody knows it
    assert jax.nn.softmax(logits).argmax(axis=1).tolist() == [0, 0, 1]
