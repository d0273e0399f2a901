"""Strict settings for the whole suite, and the fixtures that several modules share."""

import os

# Most of the suite's time is compiling small programs that run once: LLVM need not optimise
# them. XLA's own passes, and with them results and memory analysis, stay as they are.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
).strip()

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def x64():
    """Float64 for one test."""
    with jax.enable_x64(True):
        yield
