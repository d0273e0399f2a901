"""The commands as a user types them: the whole way, and every mistake answered in a line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mttjax import cli

BIN = Path(__file__).resolve().parents[2] / "bin"

PRESET = """
from mttjax.config.settings import Data, Experts, Settings
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec
IPCS = (1, 2)
def get_config(ipc):
    return Settings(
        name="tiny", ipc=ipc, ops=("cutout",), data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4), experts=Experts(count=2, batch=128),
        distill=Distill(student_steps=3, expert_epochs=1, max_start=2, lr_img=10, steps=4,
                        evaluate_every=2, validation=Protocol(networks=1, epochs=2)),
        evaluate=Protocol(networks=2, epochs=3))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder with a preset of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(PRESET)
    return tmp_path


def bin_command(name, *arguments, cwd=None, **environment):
    return subprocess.run(
        [sys.executable, BIN / name, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
        check=False,
    )


def test_the_whole_way(place, capsys):
    preset = ["--config", "tiny.py", "--ipc", "2"]
    assert cli.train_experts.main(preset) == 0
    assert (place / "experts/digits/convnet-d1-w4-standardize/0001/002.npz").exists()
    assert cli.distill.main(preset) == 0
    run = place / "runs/tiny-ipc2"
    assert (run / "index.html").exists()
    protocol = ["--protocol.networks", "2", "--protocol.epochs", "3"]
    assert cli.evaluate.main(["--run", str(run), *protocol]) == 0
    rows = json.loads((run / "results.json").read_text())["rows"]
    assert set(rows) == {"last", "best on validation", "random real images"}
    assert all(len(row["accuracies"]) == 2 for row in rows.values())
    assert "best on validation" in (run / "index.html").read_text()
    assert cli.evaluate.main(["--set", str(run / "last.npz"), "--no-random", *protocol]) == 0
    assert "last" in capsys.readouterr().out
    assert cli.export_images.main(["--set", str(run / "last.npz"), "--to", "pngs"]) == 0
    assert len(list((place / "pngs").rglob("*.png"))) == 20


def test_the_best_on_test_is_kept_when_asked_for(place):
    preset = ["--config", "tiny.py", "--experts.count", "1", "--experts.epochs", "2"]
    assert cli.train_experts.main(preset) == 0
    assert cli.distill.main([*preset, "--distill.track-test", "--distill.steps", "2"]) == 0
    run = place / "runs/tiny-ipc1"
    assert (run / "best_on_test.npz").exists()
    assert '"test"' in (run / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (cli.distill.main, ["--config", "cifar11"], "did you mean 'cifar1"),
        (cli.distill.main, [], "--config is needed"),
        (cli.distill.main, ["--config", "digits", "--ipc", "0"], "--ipc 0"),
        (cli.distill.main, ["--config", "digits"], "bin/train_experts --config digits --ipc 1"),
        (cli.train_experts.main, ["--config", "cifar10", "--data.dir", "nowhere"], "nowhere"),
        (cli.evaluate.main, [], "--set FILE.npz or --run FOLDER"),
        (cli.evaluate.main, ["--set", "none.npz"], "none.npz"),
        (cli.evaluate.main, ["--run", "."], "no distilled set"),
        (cli.export_images.main, ["--set", "tiny.py", "--to", "x"], "tiny.py"),
    ],
)
def test_a_mistake_is_answered_with_the_value_and_the_remedy(place, command, arguments, message):
    answer = command(arguments)
    assert isinstance(answer, str)
    assert message in answer
    assert answer.startswith(command.__module__.rpartition(".")[2])


def test_a_set_of_other_data_is_refused(place):
    preset = ["--config", "tiny.py", "--experts.count", "1", "--experts.epochs", "2"]
    cli.train_experts.main(preset)
    cli.distill.main([*preset, "--distill.steps", "1"])
    file = place / "runs/tiny-ipc1/last.npz"
    with np.load(file) as arrays:
        content = dict(arrays)
    content["metadata"] = np.array(str(content["metadata"]).replace('"digits"', '"mnist"'))
    np.savez(file, **content)
    answer = cli.evaluate.main(["--set", str(file), "--data.dir", str(place)])
    assert isinstance(answer, str)
    assert "mnist" in answer


def test_a_misspelt_option_is_refused_with_the_nearest_name():
    done = bin_command("distill", "--config", "digits", "--distill.stepps", "3")
    assert done.returncode == 2
    assert "--distill.steps" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_setting_with_its_default():
    done = bin_command("distill", "--config", "cifar10", "--ipc", "50", "--help")
    assert done.returncode == 0
    for text in ("--distill.student-steps", "--distill.lr-img", "1000.0", "--network.width"):
        assert text in done.stdout


def test_a_missing_dependency_is_one_line_with_the_set_up_command(tmp_path):
    blocker = "import sys\nsys.modules['tyro'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(blocker)
    done = bin_command("train_experts", "--config", "digits", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'tyro' is missing" in done.stderr
    assert "make env" in done.stderr


def test_digits_need_no_tensorflow_datasets(place):
    (place / "sitecustomize.py").write_text(
        "import sys\nsys.modules['tensorflow_datasets'] = None\n"
    )
    done = bin_command(
        "train_experts",
        "--config",
        "tiny.py",
        "--experts.count",
        "1",
        cwd=place,
        PYTHONPATH=f"{place}{os.pathsep}{BIN.parent}",
    )
    assert done.returncode == 0, done.stderr
    assert "expert 0: test accuracy" in done.stdout


def test_a_command_is_under_15_lines():
    for path in BIN.iterdir():
        assert len(path.read_text().splitlines()) < 15, path
