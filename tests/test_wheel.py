"""A wheel of this tree in an empty environment, away from the checkout. Slow: it installs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command, cwd):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_wheel_has_the_commands_the_presets_and_the_library(tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    bin_folder = tmp_path / "env/bin"
    (wheel,) = tmp_path.glob("mttjax-*.whl")
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    code = "import mttjax; print(mttjax.__file__, mttjax.match_loss.__name__)"
    out = run(bin_folder / "python", "-c", code, cwd=tmp_path)
    assert str(tmp_path) in out
    assert "match_loss" in out
    for command in ("train_experts", "distill"):
        assert "--network.width" in run(
            bin_folder / command, "--config", "cifar10", "--help", cwd=tmp_path
        )
    preset = ("--config", "digits", "--experts.count", "1", "--experts.epochs", "12")
    run(bin_folder / "train_experts", *preset, cwd=tmp_path)
    short = ("--distill.steps", "2", "--distill.validation.epochs", "3")
    run(bin_folder / "distill", *preset, *short, cwd=tmp_path)
    protocol = ("--protocol.networks", "1", "--protocol.epochs", "3")
    out = run(bin_folder / "evaluate", "--run", "runs/digits-ipc1", *protocol, cwd=tmp_path)
    assert "random real images" in out
    assert (tmp_path / "runs/digits-ipc1/index.html").exists()
