"""Data-parallel work on several devices gives what one device gives: float64, four CPU devices."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def errors_of(*options):
    """case -> relative error. A process of its own: devices are counted when JAX begins."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.core.sharded", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def errors():
    return errors_of()


ORDERS = ("first", "along", "third", "winograd")


def require_exact(errors, order, count):
    cases = {name: error for name, error in errors.items() if name.startswith(f"convolve, {order}")}
    assert len(cases) == count
    assert max(cases.values()) < 1e-12


@pytest.mark.parametrize("order", ORDERS)
def test_derivatives_of_a_convolution_of_sharded_images_are_those_of_jax(errors, order):
    """The kernel replicated under checked shard_map, and sharded under unchecked."""
    require_exact(errors, order, 2)


def require_alike(errors, what, count):
    cases = {name: error for name, error in errors.items() if name.startswith(what)}
    assert len(cases) == count
    assert max(cases.values()) < 1e-12


@pytest.mark.parametrize("what", ["network", "match_loss"])
def test_training_and_matching_over_devices_are_those_of_one(errors, what):
    """Under shard_map, checked and not, pmap and jit of sharded arrays."""
    require_alike(errors, what, 4)


@pytest.mark.slow
def test_all_of_it_in_every_combination():
    """Images replicated too, both checks of both kernels; in chunks, and by plain derivatives."""
    errors = errors_of("--all")
    for order in ORDERS:
        require_exact(errors, order, 8)
    require_alike(errors, "match_loss", 6)
