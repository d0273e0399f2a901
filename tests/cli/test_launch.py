"""What ``mttjax`` does before anything is imported."""

import os
import subprocess
import sys

import pytest

import mttjax as package
from mttjax.cli.launch import COMMANDS, keep_compiled_programs


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/mttjax/compiled"),
        ({"JAX_COMPILATION_CACHE_DIR": "elsewhere"}, "elsewhere"),
    ],
)
def test_compiled_programs_go_to_the_users_cache_folder_or_their_own(given, folder, monkeypatch):
    monkeypatch.setattr(os, "environ", {"HOME": "/home"} | given)
    keep_compiled_programs()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == folder


def test_help_has_a_line_for_every_command(mttjax):
    status, out, err = mttjax("--help")
    assert (status, err) == (0, "")
    for name, about in COMMANDS.items():
        assert [line.split()[0] for line in out.splitlines() if about in line] == [name]


def test_without_a_command_it_is_an_error_and_the_help(mttjax):
    assert mttjax() == (2, "", mttjax("--help")[1])


def test_version(mttjax):
    assert mttjax("--version") == (0, f"mttjax {package.__version__}\n", "")


def test_help_imports_the_standard_library_alone():
    code = (
        "import sys; before = set(sys.modules)\n"
        "from mttjax.cli.launch import main; main(['--help']); main(['distil'])\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert new - sys.stdlib_module_names == {'mttjax'}, new - sys.stdlib_module_names\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_and_a_wrong_option_of_every_command_import_no_jax():
    code = (
        "import sys\n"
        "from mttjax.cli.launch import COMMANDS, main\n"
        "calls = [[name, '--help'] for name in COMMANDS]\n"
        "calls += [['evaluate', 'run', '--help'], ['figure', 'range', '--help']]\n"
        "calls += [['distill', '--config', 'digits', '--print'], ['distill', '--no-option']]\n"
        "for call in calls:\n"
        "    try:\n"
        "        main(call)\n"
        "    except SystemExit:\n"
        "        pass\n"
        "    heavy = {'jax', 'optax', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, (call, heavy)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_quiet_prints_errors_alone_and_verbose_every_step(place, mttjax):
    dm = ("distill", "--config", "tiny.py", "--method", "dm", "--run.folder")
    assert mttjax(*dm, "a", "--quiet") == (0, "", "")
    status, usual, _ = mttjax(*dm, "b")
    assert status == 0
    status, out, _ = mttjax(*dm, "c", "--verbose")
    assert status == 0
    assert "step 1: loss " in out
    assert "step 1: loss " not in usual

    logs = {name: (place / name / "log.txt").read_text().splitlines() for name in "abc"}
    said = {name: [line.split("  ", 1)[1] for line in lines] for name, lines in logs.items()}
    assert said["b"] == usual.splitlines()
    assert said["c"] == out.splitlines()
    assert len(said["a"]) == len(said["b"])

    status, out, err = mttjax(*dm, "b", "--quiet", "--seed", "1")
    assert (status, out) == (2, "")
    assert (place / "b/log.txt").read_text().splitlines()[-1].endswith(err.strip())
