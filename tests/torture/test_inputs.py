"""Bad input: every case works or is refused as documented; and what the refusals say."""

import dataclasses
import typing
from pathlib import Path

import jax
import numpy as np
import pytest

import mttjax
from benchmarks.torture import inputs
from mttjax import cli
from mttjax.cli.figure import DistanceOptions, RangeOptions
from mttjax.config.checks import RANGES, check_options, check_settings, require_room
from mttjax.config.methods import KINDS, METHODS, Distill, Select
from mttjax.config.presets import load_preset
from mttjax.config.settings import Data, Run, Settings
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.paper.table.full_data import FullData
from mttjax.system import memory
from mttjax.system.errors import InputError
from mttjax.system.fields import Range, check_fields


def test_some_hundred_cases_work_or_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = inputs.run("small", say=lambda line: None)
    assert not result["faults"]
    assert result["tried"] >= 300
    assert result["worked"] > 30
    assert result["refused"] > 100
    assert not list(tmp_path.iterdir())


def numbers_of(kind, prefix=""):
    """Dotted names of the numbers of an options dataclass."""
    for field in dataclasses.fields(kind):
        hint = typing.get_type_hints(kind)[field.name]
        inside = [hint, *typing.get_args(hint)]
        if {int, float} & set(inside):
            yield f"{prefix}{field.name}"
        for one in filter(dataclasses.is_dataclass, inside):
            yield from numbers_of(one, f"{field.name}.")


OPTIONS = (Settings, *dict.fromkeys(KINDS.values()), FullData, DistanceOptions, RangeOptions)


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_number_has_a_range(kind):
    for name in numbers_of(kind):
        assert name in RANGES or name.split(".")[-1] in RANGES, name


def test_every_preset_and_method_is_within_the_ranges():
    assert set(KINDS) == set(METHODS)
    for method, kind in KINDS.items():
        check_settings(Settings(method=method, distill=kind()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(distill=Distill(lr_img=float("nan"))), "--distill.lr-img nan: must be a number"),
        (Settings(distill=Distill(lr=0.0)), "--distill.lr 0.0"),
        (Settings(distill=Distill(momentum=1.0)), "--distill.momentum 1.0: .*below 1"),
        (Settings(ipc=True), "--ipc True"),
        (Settings(ipc=10**5000), r"--ipc \(a int\)"),
        (Settings(ipc=np.int64(1)), "--ipc np.int64"),
        (Settings(seed=2**32), "--seed 4294967296: must be a whole number from 0 to"),
        (Settings(data=Data(validation=0.6)), "--data.validation 0.6: .*0 to 0.5"),
        (Settings(data=Data(classes=(1, 1))), "--data.classes 1 1: 1 is there twice"),
        (Settings(data=Data(statistics="imagnet")), "--data.statistics 'imagnet': known are"),
        (Settings(ops=("crop", "crop")), "--ops crop crop: crop is there twice"),
        (Settings(ops=("blur",)), "--ops 'blur': known are color crop"),
        (Settings(name="../../x"), r"--name '../../x': .*--run.folder"),
        (Settings(run=Run("a\0b")), "--run.folder"),
        (Settings(network=NetworkSpec(width=10**9)), "--network.width 1000000000"),
        (Settings(network="convnet"), "--network 'convnet': must be NetworkSpec"),
        (Settings(distill=Select()), "--method 'mtt': its settings are Distill"),
        (Settings(method="magic"), "--method 'magic': known are random"),
        (Settings(ipc=10**8, data=Data("cifar10")), "--ipc 100000000.*GiB.*this machine has"),
        (None, "NoneType"),
    ],
)
def test_settings_out_of_range_are_refused_with_the_option(settings, message):
    with pytest.raises(InputError, match=message):
        check_settings(settings)


def test_both_sizes_are_named_where_memory_does_not_suffice(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: 2**30)
    distill = Distill(student_steps=80)
    settings = Settings(distill=distill, network=NetworkSpec(depth=3, width=512))
    require_room(dataclasses.replace(settings, distill=Distill(student_steps=3)), (32, 32, 3), 10)
    with pytest.raises(InputError, match=r"1\.\d GiB of memory.*this machine has 1\.0 GiB"):
        require_room(settings, (32, 32, 3), 10)
    zca = dataclasses.replace(settings, preprocessing="zca")
    with pytest.raises(InputError, match="--preprocessing zca"):
        require_room(zca, (128, 128, 3), 2)
    with pytest.raises(InputError, match=r"network.width 8192"):
        make_network(NetworkSpec(width=8192), (32, 32, 3), 10)


def test_a_machine_that_does_not_tell_its_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "physical_memory", lambda: None)
    memory.require_memory(2**60, "this")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IPCS = (1,)\ndef get_config(ipc):\n    return 1 / 0", "line 3: ZeroDivisionError"),
        ("raise RuntimeError('why')", "line 1: RuntimeError: why"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        ("def get_config(ipc:", "line 1: SyntaxError"),
        ("IPCS = (1,)\ndef get_config(ipc): return 3", "these are no Settings but int"),
        ("def get_config(ipc): pass", "a preset needs IPCS"),
        ("IPCS = (1,)\nMETHODS = 3\ndef get_config(ipc): pass", "METHODS must be"),
    ],
)
def test_a_faulty_preset_is_told_with_file_and_line(text, message, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(InputError, match=f"mine.py.*{message}"):
        load_preset(str(file)).get_config(1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_preset_is_not_looked_for_outside_the_presets():
    with pytest.raises(InputError, match="no such preset"):
        load_preset("../configs/digits")


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (cli.distill.main, ["--config", "digits", "--ipc", "100000000000"], "--ipc 100000000000"),
        (cli.distill.main, ["--config", "digits", "--run.folder", "file/x"], "--run.folder file/x"),
        (
            cli.train_experts.main,
            ["--config", "digits", "--method", "dm", "--ipc", "1"],
            "--experts.epochs: give it",
        ),
        (cli.evaluate.main, ["--set", "x.npz", "--to", "file"], "--to file: .*not a folder"),
        (
            cli.evaluate.main,
            ["--set", "x.npz", "--robustness"],
            "--robustness needs --full-accuracy",
        ),
        (cli.evaluate.main, ["--set", "x.npz", "--seed", "-1"], "--seed -1"),
        (cli.export_images.main, ["--set", "x.npz", "--to", "y" * 300], "too long a name"),
        (cli.table.main, ["--config", "digits", "--draws", "9" * 20], "--draws 9{20}"),
        (cli.figure.main, ["grid", "--set", "x.npz", "--to", "folder.png"], "is a folder"),
        (cli.demo.main, ["--folder", "file"], "--folder file"),
    ],
)
def test_options_are_refused_before_anything_is_read_or_written(
    command, arguments, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder.png").mkdir()
    answer = command(arguments)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(answer)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.png"]


def test_pixels_without_a_range_and_options_of_other_types_are_told():
    @dataclasses.dataclass
    class Options:
        many: tuple[int, ...] = (1, 9)
        text: str = "\udcff"

    with pytest.raises(InputError, match="--many 1 9: must be a list, each a whole number"):
        check_fields(Options(), {"many": Range(1, 5)})
    with pytest.raises(InputError, match=r"--text.*UTF-8"):
        check_fields(Options(many=()), {"many": Range(1, 5)})
    check_options(FullData())


def linear(params, images):
    return images.reshape(len(images), -1) @ params["w"]


def loss(images=None, batches=None, w=None, **settings):
    images = np.ones((4, 3, 3, 1), np.float32) if images is None else images
    synthetic = mttjax.Synthetic(images, np.ones((4, 2), np.float32) / 2, np.float32(-1))
    start = {"w": np.ones((9, 2), np.float32) if w is None else w}
    target = jax.tree.map(lambda x: x + 1, start)
    batches = np.array([[0, 1], [2, 3]]) if batches is None else batches
    usual = {"apply": linear, "batches": batches}
    return mttjax.match_loss(synthetic, start, target, **usual | settings)[0]


def test_numpy_arrays_do_without_a_gradient_too():
    assert np.isfinite(loss())


def test_a_gradient_in_short_floats_has_their_dtype():
    short = np.ones((4, 3, 3, 1), np.float16)
    assert jax.grad(loss)(short).dtype == np.float16


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batches": np.array([[0, 4]])}, r"batches must be in 0\.\.3, found 0 to 4"),
        ({"batches": np.array([[-1, 0]])}, "found -1 to 0"),
        ({"batches": [[0, 1]]}, "batches must be integers"),
        ({"images": np.ones((4, 3, 3, 1), int)}, "must be floating"),
        ({"images": np.ones((4, 3, 3, 1), complex)}, "floating arrays"),
        ({"images": np.ones((4, 3, 0, 1), np.float32)}, "must not be empty"),
        ({"images": np.ones((4, 2, 3, 1), np.float32)}, "belong to one network"),
        ({"w": np.ones((9, 3), np.float32)}, "as labels have 2 classes"),
        ({"w": np.ones((9, 2), int)}, r"start\['w'\] must be floating"),
        ({"augment": lambda key, x: x, "key": 3}, "one JAX random key"),
        ({"chunk": 1.0}, "chunk 1.0"),
    ],
)
def test_what_no_student_can_train_on_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        loss(**given)
