"""What a command does before anything is imported."""

import os

import pytest

from mttjax.cli.launch import keep_compiled_programs

NAMES = (
    "XDG_CACHE_HOME",
    "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES",
)


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    return monkeypatch


def test_compiled_programs_go_to_the_users_cache_folder(environment, tmp_path):
    environment.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "mttjax" / "compiled")


def test_without_a_variable_that_folder_is_in_the_home(environment, tmp_path):
    environment.setenv("HOME", str(tmp_path))
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / ".cache/mttjax/compiled")


def test_the_users_own_folder_stays(environment):
    environment.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "elsewhere"
