"""Sets of every method as a command makes them: resumed to the same bits, refused by name."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mttjax.config.presets import settings_of
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.datasets import load_dataset
from mttjax.distilled import load_distilled
from mttjax.runs.workflows import run_distill
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays

LEARN = ("dd", "ld", "dc", "dm", "cafe_dsa")


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


class Preset:
    """Tiny settings."""

    @staticmethod
    def get_config(ipc):
        return Settings(
            name="tiny",
            ipc=ipc,
            ops=("cutout",),
            data=Data(dataset="digits"),
            network=NetworkSpec(depth=1, width=4),
            experts=Experts(folder="no experts"),
        )

    METHODS = {
        method: {1: {"evaluate_every": 0, "real_batch": 8, "validation": Protocol(networks=0)}}
        for method in LEARN
    } | {"dc": {1: {"real_batch": 8, "image_steps": 3, "validation": Protocol(networks=0)}}}


def make(method, folder, dataset, log=lambda line: None, **changes):
    settings = replace(settings_of(Preset, 2, method), run=Run(folder=str(folder)))
    settings = replace(settings, distill=replace(settings.distill, **changes))
    return run_distill(settings, dataset, log=log)


@pytest.mark.parametrize("method", LEARN)
def test_a_run_that_is_gone_on_with_ends_with_the_bits_of_one_that_was_not(
    method, dataset, tmp_path
):
    whole = make(method, tmp_path / "whole", dataset, steps=5)
    make(method, tmp_path / "parts", dataset, steps=2)
    parts = make(method, tmp_path / "parts", dataset, steps=5)
    assert (whole / "last.npz").read_bytes() == (parts / "last.npz").read_bytes()
    states = [read_arrays(folder / "state.npz") for folder in (whole, parts)]
    for name in states[0]:
        if not name.startswith("watch/"):  # a run that was extended has had one save more
            np.testing.assert_array_equal(states[0][name], states[1][name])
    lines = [json.loads(line) for line in (parts / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    last = load_distilled(parts / "last.npz")
    assert last.settings["method"] == method
    assert last.images.shape == (20, 8, 8, 1)
    if method == "dd":
        assert len(last.settings["rates"]) == 6
        assert last.lr == pytest.approx(np.mean(last.settings["rates"]))


def test_classes_at_once_end_at_the_same_images(dataset, tmp_path):
    sets = [
        load_distilled(
            make("dc", tmp_path / str(n), dataset, steps=2, classes_at_once=n) / "last.npz"
        )
        for n in (1, 5)
    ]
    np.testing.assert_allclose(sets[0].images, sets[1].images, rtol=1e-3, atol=1e-4)


def test_random_images_of_one_seed_are_one_set(dataset, tmp_path):
    first, second = (make("random", tmp_path / name, dataset) / "last.npz" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    lines = []
    make("random", tmp_path / "a", dataset, log=lines.append)
    assert lines[0].startswith("selected already")


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("dc", {"classes_at_once": 3}, "classes-at-once 3: must divide the 10"),
        ("dm", {"real_batch": 0}, "--distill.real-batch 0"),
        ("dd", {"passes": 0}, "--distill.passes 0"),
        ("ld", {"chunk": 0}, "--distill.chunk 0"),
        ("herding", {}, "no trained expert 0 there for herding"),
        ("forgetting", {"expert": 7}, "no trained expert 7"),
        ("mtt", {}, "Train them with: bin/train_experts"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    method, changes, message, dataset, tmp_path
):
    with pytest.raises(InputError, match=message):
        make(method, tmp_path / "run", dataset, **changes)
    assert not (tmp_path / "run" / "last.npz").exists()
