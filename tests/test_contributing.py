"""The method that CONTRIBUTING.md adds: word for word, to a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from mttjax.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]


def blocks(language):
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def shortened(script):
    """Fewer steps and epochs: the method as it stands, for a test."""
    changes = {
        "steps=300, evaluate_every=100": "steps=30, evaluate_every=0",
        "settings.evaluate)": "mttjax.Protocol(networks=2, epochs=60))",
    }
    for before, after in changes.items():
        assert script.count(before) == 1
        script = script.replace(before, after)
    return script


def test_the_worked_example_adds_a_method(tmp_path):
    for folder in ("mttjax", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for diff in blocks("diff"):
        subprocess.run(["git", "apply"], input=diff, text=True, cwd=tmp_path, check=True)
    method, script = blocks("python")
    assert len(method.splitlines()) <= 60
    (tmp_path / "mttjax/distilling/rfad.py").write_text(method)

    command = [sys.executable, "-c", shortened(script)]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    how = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(command, env=environment, check=False, **how)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\d+\.\d ± \d+\.\d %$", done.stdout, flags=re.MULTILINE)

    run = RunFolder(tmp_path / "runs/digits-rfad-ipc1")
    losses = [line["loss"] for line in run.metrics() if "loss" in line]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    assert run.load("last").settings["method"] == "rfad"
