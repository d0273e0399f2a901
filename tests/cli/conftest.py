"""A preset of seconds, a place to work in, and a command as a user types it."""

import pytest

from mttjax.cli import launch

PRESET = """
from mttjax.config import MTT, Data, Experts, NetworkSpec, Protocol, Settings
IPCS = (1, 2)
VALIDATION = Protocol(networks=1, epochs=2)
METHODS = {"dm": {1: {"steps": 2, "real_batch": 8, "validation": VALIDATION}}}
def get_config(ipc):
    return Settings(
        name="tiny", ipc=ipc, ops=("cutout",), data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4), experts=Experts(count=2, batch=128),
        distill=MTT(student_steps=3, expert_epochs=1, max_start=2, lr_img=10, steps=4,
                    evaluate_every=2, validation=VALIDATION),
        evaluate=Protocol(networks=2, epochs=3))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working folder with a preset of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text(PRESET)
    return tmp_path


@pytest.fixture
def mttjax(capsys):
    """``mttjax(*arguments)`` -> (status, standard output, standard error)."""

    def run(*arguments):
        try:
            status = launch.main([*map(str, arguments)])
        except SystemExit as left:  # how an option parser answers
            status = left.code or 0
        return status, *capsys.readouterr()

    return run
