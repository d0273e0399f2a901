"""DATM and decoded sets as a command makes them, on flat experts of digits."""

from dataclasses import replace

import numpy as np
import pytest

from mttjax.config.methods import MTT
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.datasets.loading import load_dataset
from mttjax.evaluation import evaluate_sets
from mttjax.runs.assembling import assemble
from mttjax.runs.problem import prepare
from mttjax.runs.shown import results_table
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.errors import InputError
from mttjax.system.team import Team

DATM = MTT(
    student_steps=3,
    expert_epochs=1,
    max_start=3,
    growth=(1, 4),
    lr_img=10.0,
    lr=0.05,
    initial="correct",
    labels="learned",
    steps=6,
    evaluate_every=3,
    validation=Protocol(networks=1, epochs=2),
)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def settings(tmp_path_factory, dataset):
    folder = str(tmp_path_factory.mktemp("experts"))
    settings = Settings(
        name="tiny",
        method="datm",
        ipc=2,
        ops=("cutout",),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4),
        experts=Experts(count=2, batch=64, folder=folder, flat="gsam", lr=0.1),
        distill=DATM,
    )
    run_experts(settings, dataset, log=lambda line: None)
    return settings


def make(settings, folder, dataset, **changes):
    settings = replace(settings, run=Run(folder=str(folder)))
    distill_ = replace(settings.distill, **changes)
    return distill(replace(settings, distill=distill_), dataset, log=lambda line: None)


FORMS = {"pixels": {}, "tiles": {"decoder": "tiles"}, "dct": {"decoder": "dct", "trajectories": 2}}


@pytest.fixture(scope="module", params=FORMS)
def form(request):
    return request.param


@pytest.fixture(scope="module")
def whole(form, settings, dataset, tmp_path_factory):
    """A run of six steps that was never stopped."""
    return make(settings, tmp_path_factory.mktemp("runs") / form, dataset, **FORMS[form])


def test_labels_are_soft_and_of_the_classes_and_starts_follow_the_window(form, whole):
    last, of_one = whole.load("last"), 1 if form == "pixels" else 4
    assert last.has_soft_labels
    np.testing.assert_array_equal(last.classes, np.repeat(np.arange(10), 2 * of_one))
    starts = [line["epochs"] for line in whole.metrics() if "epochs" in line]
    assert all(max(s) < DATM.window(step)[1] for step, s in enumerate(starts))
    assert max(starts[0]) == max(starts[1]) == 0


def test_gone_on_with_it_ends_with_the_bits_of_one_that_was_not(
    form, whole, settings, dataset, tmp_path
):
    make(settings, tmp_path, dataset, steps=3, **FORMS[form])
    parts = make(settings, tmp_path, dataset, **FORMS[form])
    for name in ("last.npz", "state.npz"):
        assert (parts.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_decoded_set_holds_four_images_for_one_and_says_what_it_stores(form, whole, dataset):
    last, mask = whole.load("last"), 10 * 64 // 8 if form == "dct" else 0
    image, hard = 64 * 4, last.with_hard_labels()
    assert last.stored_bytes == 20 * image + mask + len(last.images) * 10 * 4
    assert hard.stored_bytes == 20 * image + mask
    assert last.stored_ipc == pytest.approx(last.stored_bytes / image / 10)
    if form == "pixels":
        assert hard.stored_ipc is None
        return
    assert last.images.shape == (80, 8, 8, 1)
    assert hard.stored_ipc == pytest.approx(2 + mask / image / 10)
    results = evaluate_sets({"last": hard}, dataset, Protocol(1, 1), with_random=False).record()
    headers, (row,) = results_table(results)
    assert row[headers.index("images")] == f"8 per class, in the bytes of {hard.stored_ipc:.3g}"
    shown = np.abs(last.images - last.images.mean(axis=(1, 2), keepdims=True))
    assert shown.max(axis=(1, 2, 3)).min() > 0.1


def test_a_window_that_widens_by_itself_goes_on_as_if_never_stopped(settings, dataset, tmp_path):
    how = {"growth": "auto", "steps": 64, "evaluate_every": 0}
    whole = make(settings, tmp_path / "whole", dataset, **how)
    for steps in (50, 64):
        parts = make(settings, tmp_path / "parts", dataset, **how | {"steps": steps})
    assert (parts.path / "state.npz").read_bytes() == (whole.path / "state.npz").read_bytes()
    seen = [line["epochs"][0] for line in whole.metrics() if "epochs" in line]
    assert seen[:8] == [0, 0, 0, 1] * 2
    assert {line["max_start"] for line in whole.metrics() if "loss" in line} == {1, 2}


def test_several_processes_do_not_share_a_window_that_widens_by_itself(settings, dataset):
    auto = replace(settings, distill=replace(DATM, growth="auto", trajectories=2))
    problem = prepare(auto, dataset, lambda line: None)
    with pytest.raises(InputError, match=r"growth is auto.*--distributed"):
        assemble(problem, Team(0, 2))


def test_above_the_most_loss_steps_are_rejected_and_told(settings, dataset, tmp_path):
    run = make(settings, tmp_path / "run", dataset, most_loss=1e-6)
    first, *_, last = [line for line in run.metrics() if "loss" in line]
    assert (first["rejected"], last["rejected"], last["skipped"]) == (1, 6, 0)


def test_experts_of_the_other_kind_are_refused_by_name(settings, dataset, tmp_path):
    plain = replace(settings, experts=replace(settings.experts, flat="no"))
    with pytest.raises(InputError, match="flat is 'gsam' there and 'no' here"):
        make(plain, tmp_path, dataset)


def test_a_factor_that_does_not_fit_the_images_is_a_message(settings, dataset, tmp_path):
    with pytest.raises(InputError, match="factor is 3: must divide the images' 8x8 pixels"):
        make(settings, tmp_path, dataset, decoder="tiles", factor=3)
