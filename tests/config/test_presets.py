"""The presets: published settings of every method, what a data set changes, files of a user's."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mttjax.config.methods import KINDS, MATCHING, METHODS, MTT
from mttjax.config.presets import load_preset, preset_names
from mttjax.config.published import published_settings
from mttjax.config.settings import settings_from
from mttjax.system.errors import InputError

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

# dataset, ipc, depth, S, M, T⁺, lr_img, lr_lr, α₀, zca, B: the published table.
TABLE = [
    ("cifar10", 1, 3, 50, 2, 2, 1e2, 1e-7, 1e-2, True, None),
    ("cifar10", 10, 3, 30, 2, 20, 1e2, 1e-5, 1e-3, True, None),
    ("cifar10", 50, 3, 30, 2, 40, 1e3, 1e-5, 1e-3, False, None),
    ("cifar100", 1, 3, 20, 3, 20, 1e3, 1e-5, 1e-2, True, None),
    ("cifar100", 10, 3, 20, 2, 20, 1e3, 1e-5, 1e-2, False, None),
    ("cifar100", 50, 3, 80, 2, 40, 1e3, 1e-5, 1e-2, True, 125),
    ("tiny_imagenet", 1, 4, 10, 2, 10, 1e4, 1e-4, 1e-2, False, None),
    ("tiny_imagenet", 10, 4, 20, 2, 40, 1e4, 1e-4, 1e-2, False, 200),
    ("tiny_imagenet", 50, 4, 20, 2, 40, 1e4, 1e-4, 1e-2, False, 300),
    ("imagenet_subset", 1, 5, 20, 2, 10, 1e5, 1e-6, 1e-2, False, None),
    ("imagenet_subset", 10, 5, 20, 2, 10, 1e5, 1e-6, 1e-2, False, 20),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r[0]}-{r[1]}")
def test_presets_hold_the_published_rows(row):
    name, ipc, depth, *numbers, zca, batch = row
    settings = load_preset(name).settings(ipc)
    d = settings.distill
    assert [d.student_steps, d.expert_epochs, d.max_start, d.lr_img, d.lr_lr, d.lr] == numbers
    assert d.lr_lr_in == "alpha"
    assert (settings.preprocessing == "zca") == zca
    assert (d.batch, settings.network.depth, settings.network.width) == (batch, depth, 128)
    assert (d.steps, settings.experts.count, settings.evaluate.networks) == (5000, 100, 5)


def test_there_are_nine_presets():
    small = ["digits", "mnist", "fashion_mnist", "svhn"]
    large = ["cifar10", "cifar100", "tiny_imagenet", "imagenet_subset"]
    assert preset_names() == sorted([*small, *large, "own"])


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_was_measured_and_imports_from_config_alone(name):
    tree = ast.parse((CONFIGS / f"{name}.py").read_text())
    assert any(words in ast.get_docstring(tree) for words in ("not run", "Measured", "measured"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"mttjax.config"}
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("method", METHODS)
def test_every_preset_has_settings_for_every_method_that_survive_a_file(name, method):
    preset = load_preset(name)
    for ipc in (*preset.ipcs, 7):
        settings = preset.settings(ipc, method)
        assert (settings.name, settings.method, settings.ipc) == (name, method, ipc)
        assert type(settings.distill) is KINDS[method]
        shared = settings.recipe() == preset.settings(ipc).recipe()
        assert shared is (method != "datm")  # whose experts are flat
        assert settings_from(json.loads(json.dumps(settings.record()))) == settings


def test_every_method_has_a_kind_of_settings():
    assert set(KINDS) == set(METHODS)


@pytest.mark.parametrize(
    ("method", "ipc", "expected"),
    [
        ("dc", 1, {"image_steps": 1, "network_epochs": 1, "steps": 1000, "augmented": False}),
        ("dc", 10, {"image_steps": 10, "network_epochs": 50, "initial": "noise", "lr_img": 0.1}),
        ("dc", 20, {"image_steps": 20, "network_epochs": 25, "steps": 20_000}),
        ("dsa", 30, {"image_steps": 30, "network_epochs": 20}),
        ("dsa", 40, {"image_steps": 40, "network_epochs": 15}),
        ("dsa", 50, {"image_steps": 50, "network_epochs": 10, "initial": "real"}),
        ("dsa", 10, {"augmented": True, "real_batch": 256, "network_lr": 0.01}),
        ("dm", 10, {"match": "means", "steps": 20000, "lr_img": 1, "image_steps": 1}),
        ("dm", 100, {"lr_img": 10}),
        ("cafe", 1, {"match": "layers", "augmented": False, "image_steps": 10, "steps": 20_000}),
        ("cafe", 1, {"network_epochs": 10, "halve_at": (12_000, 16_000, 18_000)}),
        ("cafe_dsa", 1, {"match": "layers", "augmented": True, "initial": "noise"}),
        ("dd", 10, {"passes": 3, "real_batch": 1024, "beta1": 0.5, "lr_img": 0.01}),
        ("dd", 10, {"lr": 0.001, "augmented": True, "steps": 19_600, "halve_every": 1960}),
        ("ld", 2, {"steps": 17_600, "base_batch": 10, "patience": 50}),
        ("ld", 5, {"steps": 17_600, "base_batch": 25, "patience": 50}),
        ("ld", 10, {"base_batch": 50, "real_batch": 1024, "lr_labels": 1e-3, "initial": "real"}),
        ("ld", 50, {"steps": 35_200, "base_batch": 50, "patience": 200}),
    ],
)
def test_published_settings(method, ipc, expected):
    distill = published_settings(method, ipc, "cifar10")
    assert {name: getattr(distill, name) for name in expected} == expected


def test_what_is_published_differs_by_data_set():
    assert published_settings("dm", 100, "cifar100").lr_img == 1
    ld = published_settings("ld", 1, "cifar100")
    assert (ld.steps, ld.base_batch, ld.patience) == (35_200, 100, 100)
    assert published_settings("ld", 1, "mnist").steps == 19_600
    assert published_settings("dd", 10, "fashion_mnist").lr == 0.02


@pytest.mark.parametrize(
    ("name", "ipc", "expected"),
    [
        ("cifar10", 1, {"max_start": 4, "growth": None, "most_loss": 1.1, "lr_labels": 5}),
        ("cifar10", 10, {"student_steps": 80, "growth": (10, 1000), "max_start": 20}),
        ("cifar10", 1000, {"student_steps": 100, "min_start": 40, "batch": 1000, "lr_img": 50}),
        ("cifar100", 1, {"expert_epochs": 3, "steps": 10_000, "lr_lr_in": "alpha", "lr": 0.01}),
        ("cifar100", 50, {"initial": "real", "min_start": 20, "max_start": 70, "batch": 1000}),
        ("tiny_imagenet", 10, {"lr_lr": 1e-4, "initial": "correct", "batch": 500}),
    ],
)
def test_datm_is_as_its_code_has_it_on_flat_experts_and_whitened_images(name, ipc, expected):
    settings = load_preset(name).settings(ipc, "datm")
    assert {field: getattr(settings.distill, field) for field in expected} == expected
    assert (settings.preprocessing, settings.recipe().preprocessing) == ("zca", "zca")
    assert (settings.recipe().flat, settings.recipe().rho, settings.recipe().alpha) == (
        *("gsam", 0.01, 0.3),
    )
    assert settings.expert_folder.name.endswith("-zca-gsam")


@pytest.mark.parametrize(
    ("first", "top", "steps", "expected"),
    [
        (10, 20, 1000, {0: 10, 99: 10, 100: 11, 500: 15, 999: 19, 1000: 20, 10_000: 20}),
        (20, 40, 2000, {0: 20, 99: 20, 100: 21, 500: 25, 999: 29, 1000: 30, 2000: 40}),
    ],
)
def test_the_window_grows_as_datms(first, top, steps, expected):
    settings = MTT(max_start=top, growth=(first, steps), min_start=3)
    assert {step: settings.window(step) for step in expected} == {
        step: (3, high) for step, high in expected.items()
    }
    assert MTT(max_start=top).window(17) == (0, top)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_start": 20}, "min_start is 20: must be below max_start, 20"),
        (
            {"min_start": 5, "growth": (5, 9)},
            r"growth is \(5, 9\): give an epoch above min_start, 5",
        ),
        ({"growth": (21, 9)}, "to max_start, 20"),
        ({"growth": (3,)}, "a number of steps"),
        ({"growth": (3, 0)}, "growth is"),
    ],
)
def test_windows_that_hold_nothing_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        MTT(**wrong)


def test_only_mtt_is_on_whitened_images():
    for name, own in (("cifar10", None), ("cifar100", None)):
        preset = load_preset(name)
        for ipc in preset.ipcs:
            mtt = preset.settings(ipc)
            for method in set(METHODS) - set(MATCHING):
                other = preset.settings(ipc, method)
                assert (other.preprocessing, other.data.statistics) == ("standardize", own)
                assert other.recipe() == mtt.recipe()
                assert other.expert_folder == mtt.expert_folder
    assert load_preset("cifar100").settings(10).data.statistics == "cifar10"
    assert load_preset("imagenet_subset").settings(1, "dm").data.statistics == "imagenet"


def test_sizes_that_nothing_is_published_for_are_named():
    preset = load_preset("cifar10")
    assert preset.note(20, "dsa") == preset.note(7, "dm") == preset.note(3, "random") == ""
    assert preset.note(1, "mtt") == preset.note(10, "dd") == ""
    assert preset.note(45, "dc").endswith(
        "(there is one for 1, 10, 20, 30, 40, 50); that of 40 is taken"
    )
    assert preset.note(20, "mtt").startswith("MTT at 20 per class: no published setting")


def test_a_preset_changes_a_few_of_them():
    cifar10, mnist, fashion = map(load_preset, ("cifar10", "mnist", "fashion_mnist"))
    assert mnist.settings(10, "dd").distill.lr == 0.02
    assert cifar10.settings(10, "dsa").distill == published_settings("dsa", 10)
    cut_down = fashion.settings(10, "dsa").distill
    assert cut_down.steps < published_settings("dsa", 10).steps
    assert cut_down.lr_img == published_settings("dsa", 10).lr_img


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cifar-10", None, r"config is 'cifar-10': .*did you mean 'cifar10'"),
        ("mine.py", None, "'mine.py': no such preset"),
        ("mine.json", None, "mine.json: no such file"),
        ("mine.py", "", r"mine.py: a preset needs get_config\(ipc\)"),
        ("mine.py", "IPCS = (1,)\ndef get_config(ipc): return 3", "must return Settings with ipc"),
        (
            "mine.py",
            "from mttjax.config import Settings\nIPCS = (1,)\nMETHODS = {'dm': {1: {'stepps': 3}}}"
            "\ndef get_config(ipc): return Settings()",
            r"METHODS\['dm'\] of the preset has stepps",
        ),
        ("mine.json", "[]", "mine.json: holds list"),
        ("mine.json", '{"seed": -1}', "mine.json: seed is -1"),
        ("mine.json", '{"ipc": 2, "checksum": "crc32:00000000"}', "the file is damaged"),
    ],
)
def test_what_is_no_preset_is_refused(name, content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_preset(name).settings(1, "dm")


def test_a_file_of_settings_is_a_preset_of_one_row(tmp_path):
    settings = replace(load_preset("digits").settings(10, "dm"), seed=4)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(settings.record() | {"versions": {"jax": "1"}, "real_images": {}}))
    preset = load_preset(str(path))
    assert (preset.ipcs, preset.method) == ((10,), "dm")
    assert preset.settings() == preset.settings(10) == preset.settings(10, "dm") == settings
    dd = published_settings("dd", 10, "digits")
    assert preset.settings(method="dd").distill == dd
    for wrong in (0, 1):
        with pytest.raises(InputError, match=f"is for ipc 10, not {wrong}"):
            preset.settings(wrong)


def test_imagenet_is_squashed_as_published_and_nothing_else_is():
    squashed = {n for n in preset_names() if load_preset(n).settings().data.fit == "squash"}
    assert squashed == {"imagenet_subset"}
