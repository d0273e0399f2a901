"""The folder of one run: its settings, metrics, states and sets. No other room spells its names."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mttjax.config.protocol import Protocol
from mttjax.distilled import DistilledSet, load_distilled, save_distilled
from mttjax.runs.problem import Log
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json
from mttjax.system.metrics import Metrics, read_metrics
from mttjax.system.npz import read_arrays, write_arrays
from mttjax.system.provenance import versions
from mttjax.system.text import flat
from mttjax.system.trees import load_tree, save_tree

__all__ = ["EXTENDABLE", "SETS", "STATES", "RunFolder", "differing_settings", "settings_in"]

SETS = {
    "last": "last",
    "best": "best on validation",
    "best_on_test": "best on test (paper's protocol)",
}
"""The sets that a run keeps, and what tables call them."""

STATES = ("state.npz", "state.before.npz")
"""Where a run goes on: the first of them that is whole."""

EXTENDABLE = (
    "distill.steps",
    "distill.save_every",
    "experts.epochs",
    *(f"evaluate.{name}" for name in Protocol.__dataclass_fields__),
)
"""Settings of a run that may change when it goes on."""

_SETTINGS = "settings"
"""The member of a state that says of which run it is."""


class RunFolder:
    """What a run keeps, by name. Made without looking; ``begin`` takes the folder for a run.

    Every state holds the settings of its run, so that another run's is not gone on from; a state
    that is damaged is passed over for the one before it, which leads to the same bits.

    Args:
      path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metrics_log = Metrics(self.path / "metrics.jsonl")
        self._decisive: dict[str, Any] = {}

    def __repr__(self) -> str:
        kinds = [kind for kind in SETS if self.set_path(kind).exists()]
        return f"RunFolder({str(self.path)!r}: sets {', '.join(kinds) or 'none'})"

    def set_path(self, kind: str) -> Path:
        """The file of a set: ``last``, ``best`` or ``best_on_test``."""
        return self.path / f"{kind}.npz"

    def load(self, kind: str = "last") -> DistilledSet:
        """The set called ``last``, ``best`` (on validation) or ``best_on_test``."""
        return load_distilled(self.set_path(kind))

    def save(self, kind: str, distilled: DistilledSet) -> None:
        """Writes a set."""
        save_distilled(self.set_path(kind), distilled)

    def sets(self) -> dict[str, DistilledSet]:
        """All sets that are there, by what tables call them.

        Raises:
          InputError: there is none, or one is damaged.
        """
        sets = {SETS[kind]: self.load(kind) for kind in SETS if self.set_path(kind).exists()}
        if not sets:
            raise InputError(f"{self.path}: no distilled set there; make one with distill")
        return sets

    def config(self) -> dict[str, Any]:
        """The settings that decide the run, and its versions; empty before it began."""
        path = self.path / "config.json"
        return read_json(path) if path.exists() else {}

    def metrics(self) -> list[dict[str, Any]]:
        """A record per step and per evaluation; none where nothing was written yet."""
        path = self.metrics_log.path
        return read_metrics(path) if path.exists() else []

    def seconds(self) -> float:
        """The time of all steps, those before a kill too, without evaluations and compiling."""
        return sum(record.get("seconds") or 0 for record in self.metrics())

    def results(self) -> dict[str, Any]:
        """What the evaluation of the sets gave, as ``Results.record()`` has it; empty before."""
        path = self.path / "results.json"
        return read_json(path) if path.exists() else {}

    def save_results(self, record: Mapping[str, Any]) -> None:
        """Keeps it."""
        write_json(self.path / "results.json", dict(record))

    def beside(self) -> dict[str, np.ndarray]:
        """What the sets are shown beside, see ``runs.beside``; empty where nothing was kept."""
        return read_arrays(self.beside_path) if self.beside_path.exists() else {}

    def save_beside(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps it."""
        write_arrays(self.beside_path, arrays)

    @property
    def beside_path(self) -> Path:
        """Its file."""
        return self.path / "beside.npz"

    def commands(self) -> dict[str, str]:
        """The command lines that make and evaluate the run, by name; empty where none was typed."""
        path = self.path / "commands.json"
        return read_json(path) if path.exists() else {}

    def save_commands(self, commands: Mapping[str, str]) -> None:
        """Keeps them; what was kept of other commands stays, unless it is damaged."""
        kept: dict[str, str] = {}
        with contextlib.suppress(InputError):
            kept = self.commands()
        write_json(self.path / "commands.json", kept | dict(commands))

    @property
    def log_path(self) -> Path:
        """The file of what the commands of this run print."""
        return self.path / "log.txt"

    @property
    def grids(self) -> Path:
        """Where pictures of the sets lie."""
        return self.path / "grids"

    def begin(
        self, decisive: Mapping[str, Any], log: Log = print, typed: Mapping[str, str] | None = None
    ) -> None:
        """Takes the folder for a run of these settings, or finds that it is one.

        Args:
          decisive: everything that decides the run, JSON values; see ``Settings.decisive``.
          log: called with a line of text where something was repaired or is worth knowing.
          typed: kept as ``commands``.

        Raises:
          InputError: the folder holds a run with other settings; the message names them.
        """
        now = json.loads(json.dumps(decisive))
        before = self._before(now, log)
        if before and (listed := differing_settings(before, now)):
            raise InputError(
                f"{self.path}: the run here has other settings: {listed}. Run it on with its own "
                f"(only {', '.join(EXTENDABLE)} may change), begin another in another "
                "run.folder, or remove this one"
            )
        was, is_now = before.get("versions", {}), versions()
        changed = [f"{n} {was[n]} → {is_now.get(n)}" for n in was if was[n] != is_now.get(n)]
        if changed:
            log(f"other versions than so far, the last bits may differ: {', '.join(changed)}")
        write_json(self.path / "config.json", now | {"versions": is_now})
        if typed:
            self.save_commands(typed)
        self._decisive = now

    def _before(self, now, log):
        """The settings of the run that is here, from its last set where they are damaged."""
        try:
            if config := self.config():
                return config
            fault = f"{self.path / 'config.json'}: no such file"
        except InputError as error:
            fault = str(error)
        if not any((self.path / name).exists() for name in (*STATES, "config.json")):
            return {}
        with contextlib.suppress(InputError):
            kept = self.load("last").settings
            log(f"passed over: {fault}; taken from {self.set_path('last').name} instead")
            return {name: value for name, value in kept.items() if name in now}
        raise InputError(
            f"{fault}. With what settings the run here began is not known, and its last set does "
            "not tell: begin another in another folder, or remove this one"
        )

    def load_state(self, like: Any, log: Log = print) -> Any:
        """The last whole state, or None at the beginning of a run.

        Raises:
          InputError: there are states and none is whole.
        """
        faults = []
        for path in (self.path / name for name in STATES):
            if not path.exists():
                continue
            try:
                state = self._load_state(path, like)
            except InputError as error:
                faults.append(str(error))
                continue
            for fault in faults:
                log(f"passed over: {fault}")
            if faults or path.name != STATES[0]:
                save_tree(self.path / STATES[0], self._with_settings(state))
            return state
        if faults:
            raise InputError(
                f"{self.path}: no state of this run is whole: {'; '.join(faults)}. To begin it "
                f"again from its first step, remove {' and '.join(STATES)} there"
            )
        return None

    def save_state(self, state: Any) -> None:
        """Writes the state; the one before stays beside it."""
        now, before = (self.path / name for name in STATES)
        if now.exists():
            os.replace(now, before)
        save_tree(now, self._with_settings(state))

    def _with_settings(self, state):
        return _by_path(state) | {_SETTINGS: np.array(json.dumps(self._decisive, sort_keys=True))}

    def _load_state(self, path, like):
        own = read_arrays(path, only=(_SETTINGS,))
        if listed := differing_settings(settings_in(path, own), self._decisive):
            raise InputError(f"{path}: it is the state of a run with other settings: {listed}")
        named = _by_path(like)
        found = load_tree(path, named | own)
        return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in named])


def differing_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between the settings of two runs beside what may change; empty for nothing."""
    before, now = flat(before), flat(now)
    return "; ".join(
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(set(before) | set(now))
        if before.get(name) != now.get(name)
        and name not in EXTENDABLE
        and not name.startswith("versions.")
    )


def settings_in(path: str | Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The settings that a state was saved with.

    Raises:
      InputError: it does not say.
    """
    try:
        return {} | json.loads(arrays[_SETTINGS].item())
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: it does not say of which run it is ({error!r})") from error


def _by_path(tree):
    """The leaves by their paths: they are saved under these names beside the settings."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
