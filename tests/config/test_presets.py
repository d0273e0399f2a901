"""The presets of every method: published settings, what a data set changes, refusals."""

import pytest

from mttjax.config.methods import (
    METHODS,
    SELECTIONS,
    TITLES,
    Condense,
    Distill,
    LearnLabels,
    LearnThrough,
    Select,
)
from mttjax.config.presets import load_preset, preset_names, settings_of
from mttjax.system.errors import InputError

CIFAR10 = load_preset("cifar10")


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("method", METHODS)
def test_every_preset_has_settings_for_every_method(name, method):
    preset = load_preset(name)
    for ipc in preset.IPCS:
        settings = settings_of(preset, ipc, method)
        assert (settings.method, settings.ipc) == (method, ipc)
        assert settings.data == preset.get_config(ipc).data


def test_the_methods_have_settings_of_their_own_kind():
    kinds = {m: type(settings_of(CIFAR10, 1, m).distill) for m in METHODS}
    assert {m for m, kind in kinds.items() if kind is Select} == set(SELECTIONS)
    assert {m for m, k in kinds.items() if k is Condense} == {"dc", "dsa", "dm", "cafe", "cafe_dsa"}
    assert (kinds["mtt"], kinds["dd"], kinds["ld"]) == (Distill, LearnThrough, LearnLabels)
    assert list(TITLES) == list(METHODS)


@pytest.mark.parametrize(
    ("method", "ipc", "expected"),
    [
        ("dc", 1, {"image_steps": 1, "network_epochs": 1, "steps": 1000, "augmented": False}),
        ("dc", 10, {"image_steps": 10, "network_epochs": 50, "initial": "noise", "lr_img": 0.1}),
        ("dsa", 50, {"image_steps": 50, "network_epochs": 10, "initial": "real"}),
        ("dsa", 10, {"augmented": True, "real_batch": 256, "network_lr": 0.01}),
        ("dm", 10, {"match": "means", "steps": 20000, "lr_img": 1, "image_steps": 1}),
        ("dm", 100, {"lr_img": 10}),
        ("cafe", 1, {"match": "layers", "halve_at": (1200, 1600, 1800), "augmented": False}),
        ("cafe_dsa", 1, {"match": "layers", "augmented": True, "initial": "noise"}),
        ("dd", 10, {"passes": 3, "real_batch": 1024, "beta1": 0.5, "lr_img": 0.01}),
        ("ld", 10, {"base_batch": 50, "real_batch": 1024, "lr_labels": 1e-3, "initial": "real"}),
    ],
)
def test_published_settings(method, ipc, expected):
    distill = settings_of(CIFAR10, ipc, method).distill
    assert {name: getattr(distill, name) for name in expected} == expected


def test_dds_rate_begins_lower_on_colour_images():
    assert settings_of(CIFAR10, 10, "dd").distill.lr == 0.001
    assert settings_of(load_preset("mnist"), 10, "dd").distill.lr == 0.02


def test_a_preset_may_cut_a_method_down():
    digits = settings_of(load_preset("fashion_mnist"), 10, "dsa").distill
    assert digits.steps < settings_of(CIFAR10, 10, "dsa").distill.steps
    assert digits.lr_img == settings_of(CIFAR10, 10, "dsa").distill.lr_img


def test_an_unknown_method_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="did you mean 'herding'"):
        settings_of(CIFAR10, 1, "hearding")


def test_another_seed_keeps_the_experts_and_the_split():
    settings = CIFAR10.get_config(1)
    other = settings.with_seed(3)
    assert other.seed == 3
    assert other.recipe() == settings.recipe()
    assert other.split_seed == settings.split_seed == 0
