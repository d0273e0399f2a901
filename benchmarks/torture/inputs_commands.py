"""Bad options: every option of every command, with values that nobody means."""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import jax
import numpy as np
from hypothesis import strategies as st
from jax.experimental.compilation_cache import compilation_cache

from benchmarks.torture.inputs_options import flags_of, option
from benchmarks.torture.inputs_presets import PRESETS
from benchmarks.torture.inputs_values import NAMES, Target
from mttjax import cli
from mttjax.cli.check import CheckOptions
from mttjax.cli.demo import DemoOptions
from mttjax.cli.evaluate import EvaluateOptions
from mttjax.cli.export_images import ExportOptions
from mttjax.cli.figure import CostOptions, DistanceOptions, GridOptions, RangeOptions
from mttjax.cli.table import TableOptions
from mttjax.config.methods import KINDS
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.paper.table import table as comparing

__all__ = ["targets"]

CONFIG = ["--config", "tiny.py", "--ipc", "1"]
PROTOCOL = ["--protocol.networks", "1", "--protocol.epochs", "1"]
SET = "runs/tiny-ipc1/last.npz"
STORE = "experts/digits/convnet-d1-w2-standardize"

COMMANDS = {
    # name: (the command, its options, arguments that work, cases)
    "train_experts": (
        cli.train_experts.main,
        Settings(),
        [*CONFIG, "--experts.folder", "new"],
        450,
    ),
    **{
        f"distill {method}": (
            cli.distill.main,
            Settings(method=method, distill=kind()),
            [*CONFIG, "--method", method, "--run.folder", "new"],
            {"mtt": 500}.get(method, 110),
        )
        for method, kind in KINDS.items()
    },
    "evaluate": (cli.evaluate.main, EvaluateOptions(), ["--set", SET, *PROTOCOL], 450),
    "export_images": (
        cli.export_images.main,
        ExportOptions(Path(SET), Path("pngs")),
        ["--set", SET, "--to", "pngs"],
        150,
    ),
    "check": (cli.check.main, CheckOptions(Path(STORE)), [STORE], 150),
    "table": (
        cli.table.main,
        TableOptions("tiny.py"),
        [
            *CONFIG,
            "--methods",
            "random",
            "--networks",
            "1",
            "--draws",
            "1",
            "--no-full",
            "--protocol",
            "short",
            "--folder",
            "table",
        ],
        300,
    ),
    "figure range": (
        cli.figure.main,
        RangeOptions("tiny.py"),
        [*CONFIG, "--student-steps", "1", "--expert-epochs", "1", *PROTOCOL, "--folder", "range"],
        200,
    ),
    "figure distance": (
        cli.figure.main,
        DistanceOptions(Path(STORE), (0,)),
        [
            "--run",
            "runs/tiny-ipc1",
            "--experts",
            STORE,
            "--held-out",
            "0",
            "--allow-used",
            "--steps",
            "1",
            "--every",
            "1",
            "--to",
            "d",
        ],
        200,
    ),
    "figure grid": (
        cli.figure.main,
        GridOptions(Path(SET), Path("x.png")),
        ["--set", SET, "--to", "x.png"],
        120,
    ),
    "figure cost": (
        cli.figure.main,
        CostOptions((), Path("cost")),
        ["--runs", "runs/tiny-ipc1", "--to", "cost"],
        120,
    ),
    "demo": (cli.demo.main, DemoOptions(), ["--folder", "demo"], 80),
}


@contextlib.contextmanager
def targets():
    """The targets, in a working folder with data, experts, a run and presets."""
    before, short = Path.cwd(), {"short": Protocol(epochs=1)}
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as programs,
        compiled_once(programs),
        mock.patch.dict(comparing.PROTOCOLS, short),
        mock.patch("mttjax.cli.demo.run_demo", lambda folder: Path(folder).mkdir(parents=True)),
    ):
        place = Place(Path(folder))
        try:
            yield [
                Target(f"bin/{name}", cases, cases_of(name), place.attempt, (SystemExit,))
                for name, (*_, cases) in COMMANDS.items()
            ]
        finally:
            os.chdir(before)


@contextlib.contextmanager
def compiled_once(folder):
    """Programs kept in ``folder``: each command compiles what others did before."""
    kept = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in kept}
    for name, value in kept.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


@st.composite
def cases_of(draw, name):
    """(the command's name, arguments): what works, with up to three options changed."""
    _, options, usual, _ = COMMANDS[name]
    flags = flags_of(options)
    arguments = list(usual)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        what = draw(
            st.sampled_from(["option"] * 20 + ["config", "config", "word", "drop", "twice"])
        )
        if what == "option":
            flag, hint = draw(st.sampled_from(flags))
            arguments += draw(option(flag, hint))
        elif what == "config" and "--config" in arguments:
            given = draw(st.sampled_from(sorted(PRESETS)) | st.sampled_from(NAMES))
            arguments[arguments.index("--config") + 1] = given
        elif what == "word":
            arguments.insert(draw(st.integers(0, len(arguments))), draw(st.sampled_from(NAMES)))
        elif what == "drop":
            del arguments[draw(st.integers(0, len(arguments) - 1))]
        else:
            arguments += arguments[:2]
        if not arguments:
            break
    return name, arguments


class Place:
    """A working folder that is as it was before every case."""

    def __init__(self, folder):
        self.folder, self.kept = folder, folder.parent / f"{folder.name}-kept"
        work = folder / "in/work"
        work.mkdir(parents=True)
        os.chdir(work)
        rng = np.random.default_rng(0)
        train, test = (np.arange(n) % 2 for n in (12, 6))
        images = lambda labels: rng.integers(0, 256, (len(labels), 4, 4, 1), np.uint8)
        arrays = {
            "x_train": images(train),
            "y_train": train,
            "x_test": images(test),
            "y_test": test,
        }
        np.savez("data.npz", **arrays)
        for name, text in PRESETS.items():
            Path(name).write_bytes(text)
        Path("a file").write_text("text")
        Path("a folder").mkdir()
        validation = [f"--distill.validation.{name}=1" for name in ("networks", "epochs")]
        evaluated = [*CONFIG, "--distill.evaluate-every", "1", *validation]
        for command, arguments in ((cli.train_experts.main, CONFIG), (cli.distill.main, evaluated)):
            with quiet():
                assert command(arguments) == 0
        self.content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.before = self.listing()

    def listing(self):
        """What is where, with the time of its last change."""
        return {
            path: (path.lstat().st_mtime_ns, path.lstat().st_size if path.is_file() else None)
            for path in self.folder.rglob("*")
        }

    def attempt(self, case):
        """Whether the command did something; it leaves nothing where it was refused."""
        name, arguments = case
        command, status = COMMANDS[name][0], None
        first = name.split()[1:] if name.startswith("figure") else []
        try:
            with quiet():
                status = command([*first, *arguments])
        except SystemExit as stop:
            status = {0: 0, 2: ""}.get(stop.code, stop.code)
        finally:
            left = self._put_back()
        assert isinstance(status, str) or status == 0, f"returned {status!r}"
        if isinstance(status, str):
            assert "diverged" in status or not left, f"{status[:200]}: left {left[:5]}"
        return status == 0

    def _put_back(self):
        """Removes and restores what differs; its paths."""
        now = self.listing()
        differ = sorted(p for p in {*now, *self.before} if now.get(p) != self.before.get(p))
        changed = [str(path.relative_to(self.folder)) for path in differ if self._matters(path)]
        if differ:
            for path in sorted((p for p in now if p not in self.before), reverse=True):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            for path, content in self.content.items():
                if now.get(path) != self.before[path]:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            self.before = self.listing()
        return changed

    def _matters(self, path):
        """A folder's time changes when a lock was in it, which is gone again."""
        return not path.is_dir() or path not in self.before


@contextlib.contextmanager
def quiet():
    """What a command prints goes nowhere; its bytes must be writable all the same."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=e)
        for e in ("strict", "backslashreplace")
    )
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
        out.flush()
