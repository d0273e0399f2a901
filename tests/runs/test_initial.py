"""Runs that go on from a distilled set, and sets whose classes have unequal numbers of images."""

from dataclasses import replace

import numpy as np
import pytest
from small import small_dataset, small_set

from mttjax.config.methods import DD, LD, MTT, Condensation
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import Standardize
from mttjax.distilled import load_distilled, save_distilled
from mttjax.evaluation import evaluate_sets
from mttjax.runs.assembling import assemble
from mttjax.runs.problem import prepare
from mttjax.runs.shown import results_table
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.errors import InputError

NONE = Protocol(networks=0)


def quiet(line):
    """Says nothing."""


@pytest.fixture(scope="module")
def dataset():
    return small_dataset()


@pytest.fixture(scope="module")
def settings(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("experts")
    settings = Settings(
        name="tiny",
        ipc=2,
        ops=("cutout",),
        network=NetworkSpec(depth=1, width=4),
        experts=Experts(count=1, batch=16, folder=str(folder)),
        distill=MTT(student_steps=2, expert_epochs=1, max_start=1, steps=1, lr_img=0, lr_lr=0),
    )
    run_experts(settings, dataset, log=quiet)
    return settings


def uneven_set():
    """Of small_dataset's classes one, two and three images, in no order."""
    classes = [2, 1, 2, 0, 1, 2]
    return replace(small_set(2), labels=np.eye(3, dtype=np.float32)[classes], lr=0.03)


def changed(settings, path, distilled, **changes):
    """The settings of a run that begins with a set."""
    save_distilled(path / "first.npz", distilled)
    how = {"initial": str(path / "first.npz"), "validation": NONE, **changes}
    if "method" not in how:
        method = {"distill": replace(settings.distill, **how)}
    else:
        kind = {"dd": DD, "ld": LD, "dm": Condensation}[how["method"]]
        method = {"method": how.pop("method"), "distill": kind(steps=1, **how)}
    return replace(settings, run=Run(folder=str(path / "run")), **method)


def begun(settings, dataset, path, distilled, **changes):
    """The set before the first step."""
    problem = prepare(changed(settings, path, distilled, **changes), dataset, quiet)
    method = assemble(problem)
    return problem, method.decode(method.initial.synthetic)


def test_a_run_goes_on_from_a_set_of_unequal_numbers(settings, dataset, tmp_path):
    first = uneven_set()
    own = changed(settings, tmp_path, first)
    last = distill(own, dataset, log=quiet).load("last")
    order = np.argsort(first.classes, kind="stable")
    np.testing.assert_array_equal(last.labels, first.labels[order])
    # Seen by the run's preprocessing, they are the same pixels still.
    np.testing.assert_allclose(
        last.unclipped_pixels(), first.unclipped_pixels()[order], rtol=0, atol=1e-5
    )
    assert last.lr == pytest.approx(0.03)
    assert "1 to 3 for each of 3 classes" in repr(last)


def test_a_set_of_unequal_numbers_is_evaluated_beside_as_many_real_images(dataset):
    sets = {"mine": uneven_set(), "even": small_set(2)}
    results = evaluate_sets(sets, dataset, Protocol(networks=1, epochs=1), log=quiet).record()
    headers, rows = results_table(results)
    named = [headers.index(name) for name in ("images", "trained on")]
    assert [[row[i] for i in named] for row in rows] == [
        ["1 to 3 per class", "mine"],
        ["2 per class", "even"],
        ["1 to 3 per class", "random real images, 1 to 3 per class"],
        ["2 per class", "random real images, 2 per class"],
    ]


def test_images_already_normalised_so_are_taken_as_they_are(settings, dataset, tmp_path):
    problem, _ = begun(settings, dataset, tmp_path, small_set(2))
    first = replace(small_set(2), preprocessing=problem.preprocessing)
    _, synthetic = begun(settings, dataset, tmp_path, first)
    np.testing.assert_array_equal(synthetic.images, first.images)


def test_soft_labels_are_gone_on_from(settings, dataset, tmp_path):
    soft = small_set(2, soft=True)
    _, synthetic = begun(settings, dataset, tmp_path, soft, labels="learned")
    np.testing.assert_allclose(synthetic.labels, soft.labels, atol=1e-5)


def test_label_distillation_goes_on_from_any_set(settings, dataset, tmp_path):
    _, synthetic = begun(settings, dataset, tmp_path, uneven_set(), method="ld")
    assert synthetic.labels.sum(axis=0).tolist() == [1, 2, 3]


def test_a_set_of_dd_goes_on_at_its_rates(settings, dataset, tmp_path):
    rates = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06]
    of_dd = small_set(2, settings={"rates": rates})
    _, synthetic = begun(settings, dataset, tmp_path, of_dd, method="dd")
    np.testing.assert_allclose(np.exp(synthetic.log_lr), rates, rtol=1e-5)


@pytest.mark.parametrize(
    ("distilled", "changes", "fault"),
    [
        (small_set(1), {}, "has 1 images per class, on average 1, and 2 are learned: give ipc"),
        (small_set(2, side=4), {}, r"with images \(4, 4, 1\) of 3 classes, but bright has"),
        (replace(small_set(2), class_names=("a", "b", "c")), {}, r"\(or others\)"),
        (uneven_set(), {"method": "dm"}, "1 to 3 images per class: only mtt and datm"),
        (uneven_set(), {"method": "dd"}, "1 to 3 images per class: only mtt and datm"),
        (
            replace(small_set(2), preprocessing=Standardize(np.zeros(1), np.ones(1))),
            {"initial": "nothing.npz"},
            r"nothing\.npz: no such file",
        ),
    ],
)
def test_a_set_that_does_not_fit_is_refused(distilled, changes, fault, settings, dataset, tmp_path):
    with pytest.raises(InputError, match=fault):
        begun(settings, dataset, tmp_path, distilled, **changes)


def test_sets_of_unequal_numbers_survive_their_file(tmp_path):
    save_distilled(tmp_path / "set.npz", uneven_set())
    read = load_distilled(tmp_path / "set.npz")
    assert (read.is_uneven, read.per_class, read.ipc) == (True, "1 to 3", 2)
