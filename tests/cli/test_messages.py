"""Errors as messages: which are the user's, what they say, and the status."""

import signal

import pytest

from mttjax.cli.messages import messages
from mttjax.system.errors import InputError
from mttjax.system.signals import Stopped


def answer(error, name="distill", arguments=("--config", "mine.py")):
    def main(arguments):
        raise error

    main.__module__ = f"mttjax.cli.{name}"
    return messages(main)(arguments)


def test_a_stopped_run_leaves_with_the_signals_status(capsys):
    assert answer(Stopped(signal.SIGTERM, "after step 7")) == 143
    said = capsys.readouterr().err
    assert said == "stopped by SIGTERM after step 7; the same command goes on from there\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "a\x1b[2Jb"), "a\\x1b[2Jb: No space left on d"),
        (OSError(28, "No space left on device"), "No space left on device. Free some space"),
        (PermissionError(13, "Permission denied", "x"), "x: Permission denied. Choose a folder"),
        (MemoryError(), "MemoryError. Not enough memory. Where images are read, lower --data.res"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 GB\nmore"), "RESOURCE_EXHAUSTED: 9 GB. Not enough"),
        (
            InputError("distill.lr_img was 1, is 2; data.classes was None, is (1,)"),
            "--distill.lr-img was 1, is 2; --data.classes was None, is (1,)",
        ),
        (
            InputError("runs/data.dir: the run in run.folder.npz is no set"),
            "runs/data.dir: the run in run.folder.npz is no set",
        ),
    ],
)
def test_what_is_the_users_to_mend_is_said(error, said):
    assert answer(error).startswith(f"distill: {said}")


def test_a_command_is_not_told_of_options_that_it_does_not_have():
    said = answer(InputError("distill.chunk, network.width or data.dir"), "evaluate")
    assert said == "evaluate: distill.chunk, network.width or --data.dir"
    said = answer(InputError("distill.chunk, network.width or data.dir"), "table")
    assert said == "table: distill.chunk, --network.width or --data.dir"
    assert "--" not in answer(MemoryError(), "evaluate")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ValueError("a bug"), BrokenPipeError(32)])
def test_what_is_not_is_raised(error):
    with pytest.raises(type(error)):
        answer(error)
