"""Strict settings for the whole suite, and the fixtures that several modules share."""

import atexit
import os
import shutil
import tempfile

# Most of the suite's time is compiling small programs that run once: LLVM need not optimise
# them. XLA's own passes, and with them results and memory analysis, stay as they are.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
).strip()

# Many tests run the same small programs: each is compiled once a session, also for the
# commands that are started.
_COMPILED = tempfile.mkdtemp(prefix="mttjax-compiled-")
atexit.register(shutil.rmtree, _COMPILED, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_make_parametrize_id(config, val, argname):
    """Bytes are called by their number: an archive's differ with the second it is made in, and
    every worker must collect the same names."""
    return f"{argname}-{len(val)}" if isinstance(val, bytes) else None


LONG = ("test_sharded.py", "test_trajectory.py", "test_networks_published.py", "test_readme.py")


def pytest_collection_modifyitems(items):
    """Files of few and long tests begin first, lest a worker be left alone with one at the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture
def x64():
    """Float64 for one test."""
    with jax.enable_x64(True):
        yield
