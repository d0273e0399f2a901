"""The shape of the package: every module imports, and only from floors below it."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mttjax

ROOT = Path(mttjax.__file__).parent

FLOORS = (
    "system",
    "core",
    "datasets",
    "reporting",
    "config",
    "distilled",
    "experts",
    "evaluation",
    "distilling",
    "runs",
    "paper",
    "cli",
)
"""The rooms, each above all that it imports."""


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if "configs" not in parts:
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path):
    """The mttjax modules that a file names in its imports, lazy ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mttjax."):
            yield node.module
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("mttjax."))


def floor_of(module):
    return FLOORS.index(module.split(".")[1])


@pytest.mark.parametrize("name", [name for name, _ in modules()])
def test_every_module_imports(name):
    importlib.import_module(name)


@pytest.mark.parametrize(("name", "path"), [(n, p) for n, p in modules() if n != "mttjax"])
def test_a_module_imports_only_from_floors_below(name, path):
    room = name.split(".")[1]
    for other in imported(path):
        if other.split(".")[1] != room:
            assert floor_of(other) < floor_of(name), f"{name} must not import {other}"


def test_no_module_is_longer_than_300_lines():
    long = {name: n for name, p in modules() if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_every_public_name_is_there():
    for name in mttjax.__all__:
        assert getattr(mttjax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'mtt_loss'"):
        _ = mttjax.mtt_loss


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, mttjax; print({'jax', 'flax', 'numpy', 'matplotlib'} & set(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert out.stdout.strip() == "set()"


def test_the_library_changes_no_global_setting_of_jax():
    for name, path in modules():
        assert not re.search(r"\bjax\.config", path.read_text()), name
