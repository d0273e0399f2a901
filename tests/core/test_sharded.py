"""Data-parallel work on several devices gives what one device gives: float64, four CPU devices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def errors():
    """case -> relative error. A process of its own: devices are counted when JAX begins."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.core.sharded"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("order", ["first", "along", "third", "winograd"])
def test_derivatives_of_a_convolution_are_those_of_jax_in_every_combination(errors, order):
    """Images and kernel replicated and sharded, under checked and unchecked shard_map."""
    cases = {name: error for name, error in errors.items() if name.startswith(f"convolve, {order}")}
    assert len(cases) == 8
    assert max(cases.values()) < 1e-12


@pytest.mark.parametrize("what", ["network", "match_loss"])
def test_training_and_matching_over_devices_are_those_of_one(errors, what):
    """Under shard_map, checked and not, pmap and jit of sharded arrays."""
    cases = {name: error for name, error in errors.items() if name.startswith(what)}
    assert len(cases) >= 4
    assert max(cases.values()) < 1e-12
