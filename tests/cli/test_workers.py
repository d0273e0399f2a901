"""``--workers`` of tables and experts: what one process makes, whatever becomes of the workers."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (
    *(sys.executable, str(ROOT / "bin" / "table"), "--config", "digits", "--ipc", "1", "2", "5"),
    *("--methods", "random", "--draws", "4", "--networks", "2", "--protocol", "short", "--no-full"),
)


def accuracies(folder):
    with open(folder / "runs" / "digits-table" / "table.csv", newline="") as file:
        return [(row["ipc"], row["mean"], row["std"], row["sets"]) for row in csv.DictReader(file)]


def killed(folder, workers):
    """Kills, in the middle of a unit, the first worker that is seen at work on one."""
    while workers.poll() is None:
        for holder in folder.rglob("*/.holder"):
            if number := re.match(r"process (\d+) on", holder.read_text()):
                os.kill(int(number[1]), signal.SIGKILL)
                return True
        time.sleep(0.01)
    return False


@pytest.mark.slow
def test_experts_by_two_workers_one_of_them_killed_are_those_of_one_process(tmp_path):
    command = [sys.executable, str(ROOT / "bin" / "train_experts"), "--config", "digits"]
    command += ["--network.width", "16", "--experts.count", "6", "--experts.epochs", "12"]
    subprocess.run([*command, "--experts.folder", "alone"], cwd=tmp_path, check=True)
    how = {"cwd": tmp_path, "stdout": subprocess.PIPE, "text": True}
    shares = [*command, "--experts.folder", "shared", "--workers", "2"]
    with subprocess.Popen(shares, **how) as workers:
        assert killed(tmp_path / "shared", workers)
        output = workers.communicate()[0]
    assert workers.returncode == 0
    assert "died (status -9); started again" in output
    alone, shared = (
        {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in (tmp_path / name).rglob("0*/*.npz")
        }
        for name in ("alone", "shared")
    )
    assert len(alone) == 6 * 13
    assert alone == shared


@pytest.mark.slow
def test_twelve_cells_by_two_workers_one_of_them_killed_are_those_of_one_process(tmp_path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir(), shared.mkdir()
    subprocess.run(COMMAND, cwd=alone, check=True)
    how = {"cwd": shared, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*COMMAND, "--workers", "2"], **how) as workers:
        assert killed(shared / "runs" / "digits-table" / "cells", workers)
        output = workers.communicate()[0]
    assert workers.returncode == 0
    assert "died (status -9); started again" in output
    assert {line[:3] for line in output.splitlines() if ": waiting" not in line} >= {"[0]", "[1]"}
    assert accuracies(shared) == accuracies(alone)
    assert [row[3] for row in accuracies(shared)] == ["4"] * 3
