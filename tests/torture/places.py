"""Folders in which commands work, and what two of them must share."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.npz import read_arrays

__all__ = ["ROOT", "Place", "command_line", "content", "differing", "not_whole", "temporaries"]

ROOT = Path(__file__).resolve().parents[2]
INJECT = Path(__file__).parent / "inject"

PRESET = """
from mttjax.config import MTT, Data, Experts, NetworkSpec, Protocol, Settings
IPCS = (1,)
VALIDATION = Protocol(networks=2, epochs=20)
SHORT = {"steps": 60, "evaluate_every": 20, "validation": VALIDATION, "save_every": 7,
         "real_batch": 32}
METHODS = {name: {1: SHORT} for name in ("dd", "ld", "dc", "dsa", "dm", "cafe", "cafe_dsa")}

def get_config(ipc):
    return Settings(
        name="torture", ipc=ipc, ops=("cutout",), data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=8), experts=Experts(count=4, batch=64, epochs=4),
        distill=MTT(student_steps=5, expert_epochs=1, max_start=4, lr_img=10, steps=150,
                    evaluate_every=50, save_every=7, validation=VALIDATION),
        evaluate=Protocol(networks=2, epochs=30))
"""
"""Digits in seconds: one block of width 8, four experts of four epochs."""

PINNED = "import os, sys; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
PINNED += "os.execv(sys.argv[1], sys.argv[1:])"


def command_line(command, *arguments):
    """The arguments of ``bin/<command>``, on the preset where it takes one."""
    preset = ("--config", "torture.py") if command in ("train_experts", "distill", "table") else ()
    return [sys.executable, str(ROOT / "bin" / command), *preset, *arguments]


class Place:
    """A folder with the preset; commands are started in it.

    Args:
      folder: made if need be.
      cache: where compiled programs are kept, so that a command that is started again begins at
        once.
      one_core: whether the commands have one core only.
    """

    def __init__(self, folder, cache, one_core=False):
        self.folder, self.one_core = Path(folder), one_core
        self.log = self.folder.with_name(f"{self.folder.name}.log")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "torture.py").write_text(PRESET, encoding="utf-8")
        self.environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(Path(cache) / "compiled"),
            "XDG_CACHE_HOME": str(cache),
            "GIT_DIR": os.devnull,  # sets name the commit, and another may be made meanwhile
        }

    def start(self, arguments, **variables):
        """A process; all that it prints goes to ``log``.

        Args:
          arguments: of the process.
          variables: of its environment, beside those of all.
        """
        if self.one_core:
            arguments = [sys.executable, "-c", PINNED, *arguments]
        if "TORTURE" in variables:
            paths = [str(INJECT), os.environ.get("PYTHONPATH", "")]
            variables["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=self.environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def run(self, arguments, **variables):
        """Runs a process to its end; ``RuntimeError`` where it fails."""
        if status := self.start(arguments, **variables).wait():
            raise RuntimeError(f"{' '.join(arguments[1:])}: status {status}\n{self.said()}")

    def said(self):
        """The end of what the last process printed."""
        return self.log.read_text(errors="replace")[-2000:]


def temporaries(folder):
    """The files under ``folder`` that were being written when a process was killed."""
    return sorted(Path(folder).rglob(".*.tmp"))


def not_whole(folder):
    """The visible files under ``folder`` that are not whole: their names and why."""
    faults = []
    for path in _visible(folder):
        try:
            _require_whole(path)
        except (InputError, OSError, ValueError, SyntaxError) as error:
            faults.append(f"{path.relative_to(folder)}: {error}")
    return faults


def _visible(folder):
    """All files but hidden ones and Python's."""
    for path in sorted(Path(folder).rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(part.startswith((".", "__")) for part in parts):
            yield path


def _require_whole(path):
    if path.suffix == ".npz":
        read_arrays(path)
    elif path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.verify()
    elif path.suffix == ".jsonl":
        for line in path.read_text("utf-8").split("\n")[:-1]:  # the last may be cut
            json.loads(line)
    elif path.suffix == ".html" and not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError("does not end with </html>")


_TIMED = {
    *("seconds", "evaluation_seconds", "evaluate_seconds", "peak_bytes", "peak_gb"),
    *("date", "created", "made", "hardware", "command", "checksum"),
}
"""Members that differ between two runs which did the same."""

_OF_TIMES = {"log.txt", "cost.png", "state.before.npz", "manifest.before.json"}
"""Drawn from seconds, or kept from a moment that a stop decides."""


def content(folder):
    """name -> a digest of what two folders must share: bytes of arrays and pictures, numbers.

    Not in it: dates, seconds, memory, and what is drawn from them.
    """
    digests = {}
    for path in _visible(folder):
        of_times = path.name in _OF_TIMES or path.parent.parent.name in ("full_data", "forgetting")
        if not of_times and (data := _lasting(path)) is not None:
            digests[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return digests


def differing(mine, reference):
    """The names whose digest is not the same in both, or that only one of them has."""
    return sorted(n for n in {*mine, *reference} if mine.get(n) != reference.get(n))


def _lasting(path):
    """The bytes of a file without what differs from run to run; None: nothing lasts."""
    if path.suffix in (".npz", ".png"):
        return path.read_bytes()
    if path.suffix not in (".json", ".jsonl", ".csv"):
        return None
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        value = json.loads(text)
    elif path.suffix == ".jsonl":
        value = [json.loads(line) for line in text.splitlines()]
    else:
        value = list(csv.DictReader(io.StringIO(text)))
    return json.dumps(_without_times(value), sort_keys=True).encode()


def _without_times(value):
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in _TIMED}
    if isinstance(value, list):
        return [_without_times(v) for v in value]
    return value
