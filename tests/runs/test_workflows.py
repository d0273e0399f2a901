"""Sets of every method as a command makes them: resumed to the same bits, refused by name."""

import zlib
from collections import Counter
from dataclasses import replace

import flax.linen
import numpy as np
import pytest

from mttjax.config.presets import Preset
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.core.networks import network as network_module
from mttjax.datasets.dataset import Dataset
from mttjax.datasets.loading import load_dataset
from mttjax.distilling import method as method_module
from mttjax.distilling import mtt as mtt_module
from mttjax.runs.folder import SETS
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.errors import InputError
from mttjax.system.fields import Checked

LEARN = ("dd", "ld", "dc", "dm", "cafe_dsa")


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


def tiny(ipc):
    return Settings(
        name="tiny",
        ipc=ipc,
        ops=("cutout",),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4),
        experts=Experts(folder="no experts"),
    )


NO_JUDGE = {"evaluate_every": 0, "real_batch": 8, "validation": Protocol(networks=0)}
PRESET = Preset(
    (1, 2), tiny, {m: {1: NO_JUDGE} for m in LEARN} | {"dc": {1: NO_JUDGE | {"image_steps": 3}}}
)


def make(method, folder, dataset, log=lambda line: None, **changes):
    settings = replace(PRESET.settings(2, method), run=Run(folder=str(folder)))
    settings = replace(settings, distill=replace(settings.distill, **changes))
    return distill(settings, dataset, log=log)


@pytest.mark.parametrize("method", LEARN)
def test_a_run_that_is_gone_on_with_ends_with_the_bits_of_one_that_was_not(
    method, dataset, tmp_path
):
    whole = make(method, tmp_path / "whole", dataset, steps=5)
    make(method, tmp_path / "parts", dataset, steps=2)
    parts = make(method, tmp_path / "parts", dataset, steps=5)
    for name in ("last.npz", "state.npz"):
        assert (whole.path / name).read_bytes() == (parts.path / name).read_bytes()
    assert [line["step"] for line in parts.metrics()] == [1, 2, 3, 4, 5]
    last = parts.load("last")
    assert last.settings["method"] == method
    assert last.images.shape == (20, 8, 8, 1)
    if method == "dd":
        assert len(last.settings["rates"]) == 6
        assert last.lr == pytest.approx(np.mean(last.settings["rates"]))


def test_classes_at_once_end_at_the_same_images(dataset, tmp_path):
    images = [
        make("dc", tmp_path / str(n), dataset, steps=2, classes_at_once=n).load().images
        for n in (1, 5)
    ]
    np.testing.assert_allclose(*images, rtol=1e-3, atol=1e-4)


def test_random_images_of_one_seed_are_one_set(dataset, tmp_path):
    first, second = (make("random", tmp_path / name, dataset).set_path("last") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    lines = []
    make("random", tmp_path / "a", dataset, log=lines.append)
    assert lines[0].startswith("selected already")


@pytest.fixture
def exchanged(dataset):
    """The same data with two classes in each other's place, as in a folder whose names changed."""
    labels = np.int32([1, 0, *range(2, 10)])[dataset.train.labels]
    return replace(dataset, train=dataset.train._replace(labels=labels))


@pytest.mark.parametrize("method", ["random", "dm"])
def test_a_run_on_other_images_is_refused_by_name(method, dataset, exchanged, tmp_path):
    change = {} if method == "random" else {"steps": 2, "real_batch": 8}
    made = make(method, tmp_path, dataset, **change)
    before = made.set_path("last").read_bytes()
    for other in (exchanged, replace(dataset, class_names=tuple("abcdefghij"))):
        with pytest.raises(InputError, match=r"real_images\.(checksum|classes)"):
            make(method, tmp_path, other, **change | ({"steps": 4} if change else {}))
    assert made.set_path("last").read_bytes() == before
    assert made.config()["real_images"]["checksum"] == dataset.checksum
    assert made.load("last").settings["real_images"] == made.config()["real_images"]


def test_runs_of_several_seeds_share_one_store_and_one_split(dataset, tmp_path):
    settings = PRESET.settings(1, "mtt")
    how = {"student_steps": 1, "max_start": 1, "expert_epochs": 1, "steps": 1}
    distill_by = replace(settings.distill, validation=Protocol(networks=0), **how)
    experts = Experts(count=1, folder=str(tmp_path / "experts"))
    settings = replace(settings, distill=distill_by, experts=experts)
    run_experts(settings, dataset, log=lambda line: None)
    runs = [
        distill(
            replace(settings, seed=seed, run=Run(str(tmp_path / str(seed)))), log=lambda _: None
        )
        for seed in (0, 1)
    ]
    sets = [run.load("last") for run in runs]
    assert not np.array_equal(sets[0].images, sets[1].images)
    assert runs[0].config()["real_images"] == runs[1].config()["real_images"]


def test_forgetting_counts_on_a_training_of_its_own_that_all_sizes_share(dataset, tmp_path):
    how = {"networks": 2, "epochs": 4, "network_lr": 0.05, "batch": 64}
    lines = []
    first = make("forgetting", tmp_path / "one", dataset, log=lines.append, **how)
    assert sum("forgetting networks, network" in line for line in lines) == 2
    assert 0 < first.load().settings["never_learned"] < 0.5
    kept = sorted((tmp_path / "forgetting").rglob("network-*.npz"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 2
    again = make("forgetting", tmp_path / "two", dataset, **how)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert again.load().settings["chosen"] == first.load().settings["chosen"]
    other = make("forgetting", tmp_path / "three", dataset, **how | {"epochs": 5})
    assert other.load().settings["chosen"] != first.load().settings["chosen"]


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_the_papers_protocol_keeps_the_best_on_test_with_or_without_validation(fraction, tmp_path):
    dataset = load_dataset("digits", validation=fraction, seed=0)
    one = {"networks": 1, "epochs": 2}
    run = make(
        "dm",
        tmp_path,
        dataset,
        steps=2,
        real_batch=8,
        evaluate_every=1,
        track_test=True,
        validation=Protocol(**one),
    )
    kinds = [kind for kind in SETS if run.set_path(kind).exists()]
    assert kinds == ["last", "best_on_test"] if fraction == 0 else ["last", "best", "best_on_test"]
    scores = [line["test"]["mean"] for line in run.metrics() if "test" in line]
    assert len(scores) == 3
    assert run.load("best_on_test").settings["step"] == int(np.argmax(scores))


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("dc", {"classes_at_once": 3}, "classes_at_once is 3: must divide the 10"),
        ("herding", {}, "no trained expert 0 there for herding"),
        ("k_center", {"expert": 7}, "no trained expert 7"),
        ("mtt", {}, "Train them with train_experts"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    method, changes, message, dataset, tmp_path
):
    with pytest.raises(InputError, match=message):
        make(method, tmp_path / "run", dataset, **changes)
    assert not (tmp_path / "run").exists()


def test_what_needs_more_memory_than_there_is_is_refused_at_the_door(
    dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr("mttjax.system.memory.physical_memory", lambda: 2**20)
    with pytest.raises(InputError, match=r"ipc 2 of 8x8x1 pixels .* needs .*GiB of memory"):
        make("dd", tmp_path / "run", dataset, passes=10**6)


@pytest.mark.parametrize("method", ["mtt", "dm"])
def test_a_run_looks_at_its_settings_its_data_and_its_network_once_before_the_first_step(
    method, dataset, tmp_path, monkeypatch
):
    """No setting is checked again, the images are hashed once, the network is traced once."""
    counts, before = Counter(), {}

    def counted(owner, name, what, matters=lambda arguments: True):
        function = getattr(owner, name)

        def call(*arguments, **options):
            counts[what] += matters(arguments)
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    def before_compiling(*arguments):
        before.update(counts)
        return compile_program(*arguments)

    settings = PRESET.settings(1, method)
    changes = {"max_start": 1, "expert_epochs": 1} if method == "mtt" else {"real_batch": 8}
    how = replace(settings.distill, steps=1, validation=Protocol(networks=0), **changes)
    experts = Experts(count=1, folder=str(tmp_path / "experts"))
    settings = replace(settings, distill=how, experts=experts, run=Run(str(tmp_path / "run")))
    if method == "mtt":
        run_experts(settings, dataset, log=lambda line: None)
    fresh = Dataset(**{name: getattr(dataset, name) for name in dataset.__dataclass_fields__})
    size = fresh.train.images.nbytes
    run_settings = (Settings, Data, Experts, Run, type(how))
    counted(Checked, "__post_init__", "settings checked", lambda g: type(g[0]) in run_settings)
    counted(zlib, "crc32", "images hashed", lambda given: getattr(given[0], "nbytes", 0) == size)
    counted(flax.linen.Module, "init", "network initialised")
    counted(flax.linen.Module, "apply", "network applied")
    network_module._made.cache_clear()  # as in a process that has made none
    compile_program = method_module.compile_program
    for module in (method_module, mtt_module):
        monkeypatch.setattr(module, "compile_program", before_compiling)
    distill(settings, fresh, log=lambda line: None)
    assert counts["network applied"] > 0
    expected = {
        "settings checked": 0,
        "images hashed": 1,
        "network initialised": 1,
        "network applied": 0,
    }
    assert Counter(before) == Counter(expected)
