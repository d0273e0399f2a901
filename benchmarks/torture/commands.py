"""The commands as a user starts them, on the real digits with a preset of seconds."""

import subprocess
import sys
from pathlib import Path

from benchmarks.client import ROOT, environment

__all__ = ["COMMANDS", "TABLE", "Place", "arguments_of", "bin_arguments", "shell_status"]

PRESET = '''"""Digits in seconds: one block of width 8, four experts of four epochs."""

from mttjax.config.settings import Data, Experts, Settings
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec

IPCS = (1,)
VALIDATION = Protocol(networks=2, epochs=20)
SHORT = {{"steps": {short}, "evaluate_every": 20, "validation": VALIDATION, "save_every": 7}}
METHODS = {{name: {{1: SHORT | {{"real_batch": 32}}}} for name in
           ("dd", "ld", "dc", "dsa", "dm", "cafe", "cafe_dsa")}}


def get_config(ipc):
    return Settings(
        name="torture", ipc=ipc, ops=("cutout",), data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=8), experts=Experts(count=4, batch=64, epochs=4),
        distill=Distill(student_steps=5, expert_epochs=1, max_start=4, lr_img=10, steps={steps},
                        evaluate_every={evaluate_every}, save_every=7, validation=VALIDATION),
        evaluate=Protocol(networks=2, epochs=30))
'''

STEPS = {
    "full": {"steps": 150, "evaluate_every": 50, "short": 60},
    "small": {"steps": 60, "evaluate_every": 20, "short": 20},
}

TABLE = (
    "--methods",
    "random",
    "dc",
    "dm",
    "mtt",
    "--protocol",
    "short",
    "--networks",
    "1",
    "--draws",
    "1",
    "--no-full",
)

COMMANDS = ("train_experts", "distill", "table")
"""Those that are killed, in the order in which they need each other."""


def bin_arguments(command, *arguments):
    """The command line of ``bin/<command>``."""
    return [sys.executable, str(ROOT / "bin" / command), *arguments]


def arguments_of(command, *more):
    """The same on the preset."""
    own = TABLE if command == "table" else ()
    return bin_arguments(command, "--config", "torture.py", *own, *more)


class Place:
    """A folder to work in: the preset, and everything that the commands write.

    Args:
      folder: made if need be.
      size: ``full`` or ``small``.
      cache: where compiled programs are kept, so that a command that is started again begins
        at once.
    """

    def __init__(self, folder, size, cache):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "torture.py").write_text(PRESET.format(**STEPS[size]), encoding="utf-8")
        cache = Path(cache)
        self.environment = environment(
            "cpu", JAX_COMPILATION_CACHE_DIR=str(cache / "compiled"), XDG_CACHE_HOME=str(cache)
        )

    def start(self, arguments, log, **more):
        """A process; what it prints goes to the open file ``log``."""
        return subprocess.Popen(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **more,
        )

    def run(self, arguments, **variables):
        """Runs a process to its end, with ``variables`` of the environment; what it printed.

        Raises:
          RuntimeError: it failed.
        """
        done = subprocess.run(
            arguments,
            cwd=self.folder,
            env=self.environment | variables,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if done.returncode:
            line = " ".join(arguments[1:])
            raise RuntimeError(f"{line}: status {done.returncode}\n{done.stdout[-2000:]}")
        return done.stdout


def shell_status(returncode):
    """The status that a shell shows: 128 and the signal for a process that one ended."""
    return 128 - returncode if returncode < 0 else returncode
