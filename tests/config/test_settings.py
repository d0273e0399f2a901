"""Settings: what a field may hold, what follows from them, and the way to JSON and back."""

import dataclasses
import json
import typing
from pathlib import Path

import pytest

from mttjax import config
from mttjax.config import (
    DD,
    LD,
    MTT,
    Condensation,
    Data,
    Experts,
    NetworkSpec,
    Protocol,
    Run,
    Selection,
    Settings,
)
from mttjax.config.settings import settings_from
from mttjax.system.errors import InputError

CLASSES = [c for name in config.__all__ if isinstance(c := getattr(config, name), type)]


def numeric_fields():
    """(class, field, whether it is whole, whether it holds several) of every numeric setting."""
    for cls in CLASSES:
        for name, hint in typing.get_type_hints(cls).items():
            kinds = {*typing.get_args(hint), hint}
            tuples = [kind for kind in kinds if typing.get_origin(kind) is tuple]
            kinds |= {inside for kind in tuples for inside in typing.get_args(kind)}
            if kinds & {int, float}:
                yield cls, name, float not in kinds, bool(tuples)


FIELDS = list(numeric_fields())


@pytest.mark.parametrize(
    ("cls", "name", "whole", "several"), FIELDS, ids=[f"{c.__name__}.{n}" for c, n, *_ in FIELDS]
)
def test_a_number_out_of_range_or_none_at_all_is_refused_by_its_name(cls, name, whole, several):
    wrong = [-1, True, "3", float("nan"), float("inf"), 10**40]
    for value in wrong + [1.5] * whole:
        with pytest.raises(InputError, match=rf"^{name} is "):
            cls(**{name: (1, value) if several else value})


@pytest.mark.parametrize(
    ("cls", "name", "least_wrong", "last_right"),
    [
        (MTT, "steps", 0, 1),
        (MTT, "steps", 10**9 + 1, 10**9),
        (MTT, "evaluate_every", -1, 0),
        (MTT, "save_every", 0, 1),
        (MTT, "lr_img", 1e31, 1e30),
        (MTT, "lr", 0.9e-6, 1e-6),
        (MTT, "lr", 100.1, 100),
        (MTT, "momentum", 1, 0.999),
        (MTT, "chunk", 0, None),
        (Condensation, "network_epochs", -1, 0),
        (Condensation, "halve_at", (5, -1), (5, 0)),
        (DD, "beta1", 1.0, 0),
        (LD, "patience", 0, 1),
        (Selection, "lr", 0, 1e-30),
        (Selection, "expert", -1, 0),
        (Data, "validation", 0.51, 0.5),
        (Data, "resolution", 3, 4),
        (Data, "classes", (1, -1), ()),
        (Experts, "count", 0, 10**6),
        (Experts, "lr", 0, 0.01),
        (NetworkSpec, "depth", 0, 1),
        (NetworkSpec, "depth", 65, 64),
        (Protocol, "networks", 10_001, 0),
        (Settings, "ipc", 0, 1),
        (Settings, "seed", 2**32, 2**32 - 1),
    ],
)
def test_the_ends_of_the_ranges(cls, name, least_wrong, last_right):
    with pytest.raises(InputError, match=rf"^{name} is "):
        cls(**{name: least_wrong})
    assert getattr(cls(**{name: last_right}), name) == last_right


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Settings(preprocessing="whiten"), "preprocessing is 'whiten': must be one of sta"),
        (lambda: Settings(ops=("flip", "spin")), "ops is 'flip' 'spin': must be a list, each one"),
        (lambda: Settings(ops=("flip", "flip")), "flip is there twice"),
        (lambda: Settings(method="mttt"), "method is 'mttt': did you mean 'mtt'"),
        (lambda: Settings(method="dm"), "distill is MTT: the settings of dm are Condensation"),
        (lambda: Settings(name="a/b"), "name is 'a/b'"),
        (lambda: Settings(name=" .."), "name is ' ..'"),
        (lambda: Settings(run=Run(folder="a\x1b[2J")), "folder is .*without control characters"),
        (lambda: Settings(network=None), "network is None: must be NetworkSpec"),
        (lambda: Data(statistics="imagenett"), "did you mean 'imagenet'"),
        (lambda: Data(download="yes"), "download is 'yes': must be True or False"),
        (lambda: MTT(initial="photo"), "must be one of real, noise, correct, or a"),
        (lambda: MTT(validation=3), "validation is 3: must be Protocol"),
    ],
)
def test_what_is_no_number_is_looked_at_too(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"seeed": 1}, "seeed is no setting: did you mean 'seed'"),
        ({"distill": {"stepps": 1}}, "distill.stepps is no setting: did you mean 'steps'"),
        ({"distill": {"validation": {"epoch": 1}}}, "distill.validation.epoch is no setting"),
        ({"method": "dd", "distill": {"lr_lr": 1}}, "distill.lr_lr is no setting"),
        ({"method": []}, "method is"),
        ({"network": 3}, "network is 3: must be settings by their names"),
        ({"data": {"validation": 2}}, "validation is 2: must be a number from 0 to 0.5"),
    ],
)
def test_a_record_with_what_is_no_setting_is_refused(record, message):
    with pytest.raises(InputError, match=message):
        settings_from(record)


def test_a_record_has_everything_and_what_is_not_said_has_its_default():
    settings = Settings(
        name="all",
        data=Data(dataset="cifar10", classes=(1, 2), seed=3),
        distill=MTT(batch=2, validation=Protocol(epochs=9)),
        experts=Experts(folder="there", parallel=2),
        run=Run(folder="here"),
    )
    record = json.loads(json.dumps(settings.record()))
    assert settings_from(record) == settings
    del record["distill"]["validation"], record["network"]
    validation = MTT().validation
    assert settings_from(record).distill == dataclasses.replace(
        settings.distill, validation=validation
    )


def test_what_decides_a_run_is_nothing_of_the_machine():
    settings = Settings()
    elsewhere = dataclasses.replace(
        settings,
        data=Data(dir="data", download=True),
        experts=Experts(folder="there", parallel=2),
        run=Run(folder="here"),
    )
    assert elsewhere.decisive() == settings.decisive()
    assert Settings(seed=1).decisive() != settings.decisive()


def test_another_seed_keeps_the_experts_and_the_split():
    first, second = Settings(), Settings(seed=3)
    assert (first.recipe(), first.data) == (second.recipe(), second.data)
    assert Settings(experts=Experts(seed=3)).recipe().seed == 3


def test_experts_do_not_train_on_rolled_images():
    settings = Settings(ops=("flip", "roll"))
    assert settings.ops == ("flip", "roll")
    assert settings.recipe() == Settings(ops=("flip",)).recipe()


def test_the_experts_may_see_the_images_otherwise_but_not_those_of_mtt():
    zca = Experts(preprocessing="zca")
    other = Settings(method="random", distill=Selection(), experts=zca)
    assert (other.preprocessing, other.recipe().preprocessing) == ("standardize", "zca")
    assert other.expert_folder.name.endswith("-zca")
    with pytest.raises(InputError, match=r"experts.preprocessing is 'zca': the images of mtt"):
        Settings(experts=zca)


def test_the_epochs_of_the_experts_are_what_mtt_reads_or_asked_for():
    assert Settings(distill=MTT(max_start=5, expert_epochs=3)).expert_epochs == 7
    assert Settings(experts=Experts(epochs=9)).expert_epochs == 9
    with pytest.raises(InputError, match="epochs is None: give it, as dd reads any"):
        _ = Settings(method="dd", distill=DD()).expert_epochs


def test_folders_say_what_is_in_them():
    settings = Settings(
        name="mine",
        ipc=3,
        preprocessing="zca",
        data=Data(dataset="cifar10"),
        network=NetworkSpec(depth=2, norm="batch"),
    )
    assert settings.expert_folder == Path("experts/cifar10/convnet-d2-w128-batch-zca")
    assert settings.run_folder == Path("runs/mine-ipc3")
    dd = dataclasses.replace(settings, method="dd", distill=DD())
    assert dd.run_folder == Path("runs/mine-dd-ipc3")
    here = dataclasses.replace(dd, run=Run(folder="here"), experts=Experts(folder="there"))
    assert (here.run_folder, here.expert_folder) == (Path("here"), Path("there"))


@pytest.mark.parametrize(
    ("data", "experts", "run"),
    [
        ({"dataset": "image_folder", "dir": "/a/pets"}, "pets", "digits-pets-random-ipc1"),
        ({"dataset": "image_folder", "dir": "/b/birds/"}, "birds", "digits-birds-random-ipc1"),
        ({"dataset": "arrays", "dir": "x/scans.npz"}, "scans", "digits-scans-random-ipc1"),
        ({"dataset": "image_folder", "dir": "mnist"}, "own-mnist", "digits-own-mnist-random-ipc1"),
        ({"dataset": "mnist", "dir": "/a/pets"}, "mnist", "digits-random-ipc1"),
        ({"dataset": "image_folder"}, "image_folder", "digits-random-ipc1"),
    ],
)
def test_own_data_have_stores_and_runs_under_their_own_name(data, experts, run):
    settings = Settings(name="digits", method="random", distill=Selection(), data=Data(**data))
    assert settings.expert_folder.parent == Path("experts") / experts
    assert settings.run_folder == Path("runs") / run
    assert dataclasses.replace(settings, seed=2).run_folder == Path("runs") / f"{run}-seed2"
    named = dataclasses.replace(settings, name=experts)
    assert named.run_folder == Path(f"runs/{experts}-random-ipc1")


def test_classes_are_names_or_indices_and_survive_a_record():
    data = Data(classes=("cat", "2", 3))
    again = settings_from(Settings(data=data).record())
    assert again.data.classes == ("cat", "2", 3)
