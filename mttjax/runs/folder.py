"""The folder of one run: settings, metrics as JSON lines, and the states to go on from."""

import contextlib
import json
import os
from pathlib import Path

import jax
import numpy as np

from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json
from mttjax.system.metrics import Metrics
from mttjax.system.npz import read_arrays
from mttjax.system.provenance import versions
from mttjax.system.trees import load_tree, save_tree

__all__ = ["RunFolder", "differing_settings", "settings_in"]

SETTINGS = "settings"
"""The member of a state that says of which run it is."""


class RunFolder:
    """``config.json``, ``metrics.jsonl`` and the states of a run.

    ``state.npz`` is where a run goes on. ``good.npz`` is an earlier state whose next steps
    went well: a run that diverged falls back to it, and one whose ``state.npz`` is damaged goes
    on from it and ends with the same bits. ``state.STEP.npz`` is there only after a stop
    between two saves, and holds the save before it, until it is known whether that was good.
    Every state holds the settings of its run, so that another run's is not gone on from.

    Args:
      path: the folder; made when missing.
      settings: everything that decides the run, ready for JSON.
      extendable: names of settings, dotted, that may differ when a run goes on.
      log: called with a line of text where something was repaired or is worth knowing.

    Raises:
      InputError: the folder holds a run with other settings; the message names them.
    """

    def __init__(self, path, settings, extendable=(), log=print):
        self.path, self._log, self._extendable = Path(path), log, extendable
        now = json.loads(json.dumps(settings)) | {"versions": versions()}
        before = self._before(now)
        if before is not None:
            self._require_same(before, now)
            self._tell_versions(before, now)
        write_json(self.path / "config.json", now)
        self._settings = {name: value for name, value in now.items() if name != "versions"}
        self.metrics = Metrics(self.path / "metrics.jsonl")
        self.state_path, self.good_path = self.path / "state.npz", self.path / "good.npz"

    def _before(self, now):
        """The settings of the run that is here, from its last set where they are damaged."""
        config = self.path / "config.json"
        if not config.exists() and not self._states():
            return None
        try:
            return read_json(config)
        except InputError as error:
            with contextlib.suppress(InputError, KeyError, ValueError, AttributeError):
                metadata = read_arrays(self.path / "last.npz", only=("metadata",))["metadata"]
                kept = json.loads(metadata.item())["settings"]
                self._log(f"passed over: {error}; taken from last.npz instead")
                return {name: value for name, value in kept.items() if name in now}
            raise InputError(
                f"{error}. With what settings the run here began is not known, and last.npz does "
                "not tell: begin another with --run.folder, or remove the folder"
            ) from error

    def _require_same(self, before, now):
        if listed := differing_settings(before, now, self._extendable):
            may = ", ".join(self._extendable) or "nothing"
            raise InputError(
                f"{self.path}: the run here has other settings: {listed}. Run it on with its own "
                f"(only {may} may change), begin another with --run.folder, or remove the folder"
            )

    def _tell_versions(self, before, now):
        was, now = before.get("versions", {}), now["versions"]
        changed = [f"{n} {was[n]} → {now.get(n)}" for n in was if was[n] != now.get(n)]
        if changed:
            self._log(f"other versions than so far, the last bits may differ: {', '.join(changed)}")

    def _states(self):
        return sorted(self.path.glob("state*.npz")) + sorted(self.path.glob("good.npz"))

    def load_state(self, like):
        """The latest whole state, or None at the beginning of a run.

        A damaged one is passed over for the one before it, and that is said.

        Raises:
          InputError: there are states and none is whole.
        """
        fallen, faults = False, []
        for path in (self.state_path, *sorted(self.path.glob("state.*.npz")), self.good_path):
            if not path.exists():
                fallen = True
                continue
            try:
                state = self._load(path, like)
            except InputError as error:
                faults.append(str(error))
                continue
            for fault in faults:
                self._log(f"passed over: {fault}")
            if fallen or faults:
                self.save_state(state)
            return state
        if faults:
            raise InputError(
                f"{self.path}: no state of this run is whole: {'; '.join(faults)}. To begin it "
                f"again from its first step, remove {self.state_path} and {self.good_path}"
            )
        return None

    def load_good(self, like):
        """The state to fall back to, or None where that file is missing or damaged."""
        try:
            return self._load(self.good_path, like)
        except InputError as error:
            self._log(f"passed over: {error}")
            return None

    def save_first(self, state):
        """Before the first step: the state, which is good."""
        self._save(self.good_path, state)
        self.save_state(state)

    def save_state(self, state):
        """One of the saves that the schedule of the run decides."""
        self._save(self.state_path, state)
        for path in self.path.glob("state.*.npz"):
            path.unlink()

    def save_between(self, state, last_save):
        """A save between those, at a stop; ``last_save`` is the step of the one before."""
        before = self._between(last_save)
        if not before.exists() and self.state_path.exists():
            os.replace(self.state_path, before)
        self._save(self.state_path, state)

    def keep_as_good(self, last_save):
        """The state of the last save turned out to be good; another is saved right after."""
        before = self._between(last_save)
        os.replace(before if before.exists() else self.state_path, self.good_path)

    def _between(self, step):
        return self.path / f"state.{step:06d}.npz"

    def _save(self, path, state):
        text = np.array(json.dumps(self._settings, sort_keys=True))
        save_tree(path, _by_path(state) | {SETTINGS: text})

    def _load(self, path, like):
        own = read_arrays(path, only=(SETTINGS,))  # versions before 0.3 wrote none
        before = settings_in(path, own) or self._settings
        if listed := differing_settings(before, self._settings, self._extendable):
            raise InputError(f"{path}: it is the state of a run with other settings: {listed}")
        named = _by_path(like)
        found = load_tree(path, named | own)
        return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in named])


def differing_settings(before, now, extendable=()):
    """What differs between the settings of two runs beside ``extendable`` ones, as a text."""
    before, now = _flat(before), _flat(now)
    return "; ".join(
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted(set(before) | set(now))
        if before.get(name) != now.get(name)
        and name not in extendable
        and not name.startswith("versions.")
    )


def settings_in(path, arrays):
    """The settings that a state was saved with; None where its version wrote none."""
    if SETTINGS not in arrays:
        return None
    try:
        return {} | json.loads(arrays[SETTINGS].item())
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: its settings are not a JSON object ({error})") from error


def _by_path(tree):
    """The leaves by their paths: they are saved under these names beside the settings."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _flat(tree, prefix=""):
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
