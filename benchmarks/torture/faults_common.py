"""What the parts of ``faults`` share: how outcomes are counted, and runs of a second."""

import contextlib
import shutil
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.datasets import load_dataset
from mttjax.runs.workflows import run_distill, run_experts

__all__ = ["Bench", "Killed", "Tally", "Wrong", "kept_programs", "quiet", "same", "the_files"]

OUTCOMES = ("refused", "repaired", "harmless")

SETS = ("last.npz", "best.npz")
"""What a run is for; these must end with the same bytes whatever happened."""


class Wrong(Exception):
    """What must not happen."""


class Killed(RuntimeError):
    """Stands for a kill: raised from the log, at a line of text."""


def quiet(*_):
    """For logs that nobody reads."""


class Tally:
    """Counts outcomes by family, and keeps what was wrong.

    Args:
      say: called with every fault.
    """

    def __init__(self, say=quiet):
        self.families, self.faults, self.not_tried, self._say = {}, [], [], say

    def attempt(self, family, case, function, *arguments, **options):
        """Calls ``function``, which returns one of ``OUTCOMES``; all it raises is a fault."""
        counts = self.families.setdefault(family, dict.fromkeys(("tried", *OUTCOMES), 0))
        counts["tried"] += 1
        try:
            counts[function(*arguments, **options)] += 1
        except Wrong as error:
            self.fault(family, case, str(error))
        except Exception:
            self.fault(family, case, traceback.format_exc()[-1500:])

    def fault(self, family, case, outcome):
        self.faults.append({"case": f"{family}: {case}", "outcome": outcome})
        self._say(f"FAULT: {family}: {case}: {outcome.strip().splitlines()[-1]}")

    def skip(self, what, why):
        """A case that cannot be tried here, which is no fault."""
        self.not_tried.append(f"{what}: {why}")

    def record(self):
        return {
            "tried": sum(counts["tried"] for counts in self.families.values()),
            "by_family": self.families,
            "not_tried": self.not_tried,
            "faults": self.faults,
        }


def same(a, b):
    """Whether two values of dictionaries, lists and arrays are the same, types too."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[n], b[n]) for n in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b


def the_files(folder, pattern="*"):
    """name -> bytes of the files under ``folder``."""
    paths = sorted(p for p in Path(folder).rglob(pattern) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


@contextlib.contextmanager
def kept_programs(folder):
    """Within the block JAX keeps what it compiles in ``folder``, for the next run of the same."""
    wanted = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in wanted}
    try:
        for name, value in wanted.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # it is opened once, where the first program asks for it
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


class Bench:
    """A tiny store and tiny runs of MTT on digits, in a folder.

    Attributes:
      store, run: the undisturbed ones.
      other_store, other_run: the same with another seed.
      half: a run that was killed after step 6, its last save being of step 4.
    """

    def __init__(self, folder):
        self.folder, self.dataset = Path(folder), load_dataset("digits")
        self.settings = Settings(
            name="tiny",
            data=Data(dataset="digits"),
            network=NetworkSpec(depth=1, width=4),
            ops=(),
            experts=Experts(count=2, batch=64, epochs=3, folder=str(self.folder / "store")),
            distill=Distill(
                student_steps=3,
                expert_epochs=2,
                max_start=2,
                lr_img=30,
                lr_lr=0.1,
                lr=0.05,
                steps=12,
                evaluate_every=6,
                save_every=4,
                validation=Protocol(networks=1, epochs=3),
            ),
        )
        self.other = self.at(replace(self.settings, seed=1), "other_store")
        self.store = self.train(self.settings)
        self.run = self.distill(self.settings, "run")
        self.sets = {name: (self.run / name).read_bytes() for name in SETS}
        self.half = self.killed("half")

    def make_others(self):
        """What files are replaced by."""
        self.other_store = self.train(self.other)
        self.other_run = self.distill(self.other, "other_run")

    def at(self, settings, name):
        folder = str(self.folder / name)
        return replace(settings, experts=replace(settings.experts, folder=folder))

    def train(self, settings, log=quiet):
        """Trains experts, or goes on; returns the store's folder."""
        return run_experts(settings, self.dataset, log).folder

    def train_at(self, folder, log=quiet):
        """The store of ``settings`` elsewhere."""
        return self.train(self.at(self.settings, folder), log)

    def distill(self, settings, folder, log=quiet):
        """Distils in ``folder``, or goes on there; returns its path."""
        settings = replace(settings, run=Run(folder=str(self.folder / folder)))
        return run_distill(settings, self.dataset, log)

    def killed(self, folder, at="step 6"):
        """A run that is killed when it logs a line that begins with ``at``."""

        def die(line):
            if line.startswith(at):
                raise Killed

        with contextlib.suppress(Killed):
            self.distill(self.settings, folder, die)
            raise Wrong(f"no line began with {at!r}")
        return self.folder / folder

    @contextlib.contextmanager
    def copy(self, source):
        """A copy of a folder, which is removed again."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            yield Path(shutil.copytree(source, Path(place) / Path(source).name))

    def require_sets(self, folder):
        """Raises ``Wrong`` unless the sets of a run are the undisturbed run's, byte by byte."""
        for name, expected in self.sets.items():
            path = Path(folder) / name
            if not path.exists() or path.read_bytes() != expected:
                raise Wrong(f"{name} is not that of the undisturbed run")
