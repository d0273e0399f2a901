"""The presets: every row of the settings table, and the errors of choosing one."""

import pytest

from mttjax.config.presets import load_preset, preset_names
from mttjax.system.errors import InputError

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
    ("tiny_imagenet", 50, 4, 20, 2, 40, 1e4, 1e-4, 1e-2, False, 400),
    ("imagenet_subset", 1, 5, 20, 2, 10, 1e3, 1e-6, 1e-2, False, None),
    ("imagenet_subset", 10, 5, 20, 2, 10, 1e3, 1e-6, 1e-2, False, 20),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r[0]}-{r[1]}")
def test_presets_hold_the_published_rows(row):
    name, ipc, depth, *numbers, zca, batch = row
    settings = load_preset(name).get_config(ipc)
    d = settings.distill
    assert [d.student_steps, d.expert_epochs, d.max_start, d.lr_img, d.lr_lr, d.lr] == numbers
    assert d.lr_lr_in == "alpha"
    assert (settings.preprocessing == "zca") == zca
    assert (d.batch, settings.network.depth, settings.network.width) == (batch, depth, 128)
    assert (d.steps, settings.experts.count, settings.evaluate.networks) == (5000, 100, 5)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_what_was_measured_and_fits_its_batch(name):
    module = load_preset(name)
    assert any(w in module.__doc__ for w in ("not run", "Measured", "measured"))
    for ipc in module.IPCS:
        settings = module.get_config(ipc)
        assert settings.name == name
        assert settings.ipc == ipc
        assert settings.expert_epochs >= settings.distill.epochs_needed
    assert module.get_config(7).ipc == 7


def test_there_are_the_eight_presets():
    assert set(preset_names()) == {
        "digits",
        "fashion_mnist",
        "mnist",
        "svhn",
        "cifar10",
        "cifar100",
        "tiny_imagenet",
        "imagenet_subset",
    }


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"'cifar-10'.*did you mean 'cifar10'"):
        load_preset("cifar-10")


def test_a_file_is_a_preset(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from mttjax.config import Settings\nIPCS = (3,)\n"
        "def get_config(ipc): return Settings(name='mine', ipc=ipc)\n"
    )
    assert load_preset(str(file)).get_config(3).run_folder.name == "mine-ipc3"
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(InputError, match="get_config"):
        load_preset(str(tmp_path / "empty.py"))
