"""What is packed: every package, and a wheel in an empty environment away from the checkout."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def config():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def test_every_package_is_packed(config):
    folders = [path.parent.relative_to(ROOT) for path in (ROOT / "mttjax").rglob("__init__.py")]
    packages = sorted([".".join(folder.parts) for folder in folders] + ["mttjax.configs"])
    assert config["options"]["packages"].split() == packages


def test_every_file_beside_the_modules_is_packed(config):
    packed = set()
    for package, patterns in config["options.package_data"].items():
        folder = ROOT / package.replace(".", "/")
        packed |= {path for pattern in patterns.split() for path in folder.glob(pattern)}
    beside = {p for p in (ROOT / "mttjax").rglob("*") if p.is_file() and "py" not in p.suffix}
    assert beside - {p for p in beside if p.name.startswith(".")} <= packed
    assert (ROOT / "mttjax/reporting/templates/page.html") in packed


def run(*command, cwd):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_installed_wheel_has_the_command_the_presets_and_the_library(tmp_path):
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    run(sys.executable, "-m", "venv", tmp_path / "env", cwd=tmp_path)
    bin_folder = tmp_path / "env/bin"
    before = {path.name for path in bin_folder.iterdir()}
    (wheel,) = tmp_path.glob("mttjax-*.whl")
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    assert {path.name for path in bin_folder.iterdir()} - before == {"mttjax"}
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    code = "import mttjax; print(mttjax.__file__, mttjax.match_loss.__name__)"
    out = run(bin_folder / "python", "-c", code, cwd=tmp_path)
    package = Path(out.split()[0]).parent
    assert tmp_path in package.parents
    assert (package / "py.typed").exists()
    assert (package / "configs/cifar10.py").exists()
    assert (package / "reporting/templates/page.html").exists()

    mttjax = bin_folder / "mttjax"
    version = wheel.name.split("-")[1]
    assert run(mttjax, "--version", cwd=tmp_path) == f"mttjax {version}\n"
    preset = ("--config", "digits", "--experts.count", "1", "--experts.epochs", "12")
    run(mttjax, "train_experts", *preset, cwd=tmp_path)
    short = ("--distill.steps", "2", "--distill.validation.epochs", "3")
    run(mttjax, "distill", *preset, *short, cwd=tmp_path)
    protocol = ("--protocol.networks", "1", "--protocol.epochs", "3")
    out = run(mttjax, "evaluate", "run", "runs/digits-ipc1", *protocol, cwd=tmp_path)
    assert "random real images" in out
    assert "<h2>Test accuracy</h2>" in (tmp_path / "runs/digits-ipc1/index.html").read_text()
