"""The folder of one run: settings, metrics as JSON lines, and the state to go on from."""

import json
from pathlib import Path

from mttjax.checkpoint import load_tree, save_tree
from mttjax.errors import InputError
from mttjax.files import atomically, read_json, write_json

__all__ = ["RunFolder"]


class RunFolder:
    """``config.json``, ``metrics.jsonl`` and ``state.npz`` of a run.

    Args:
      path: the folder; made when missing.
      settings: everything that decides the run, ready for JSON.
      extendable: names of settings, dotted, that may differ when a run goes on.

    Raises:
      InputError: the folder holds a run with other settings; the message names them.
    """

    def __init__(self, path, settings, extendable=()):
        self.path = Path(path)
        config = self.path / "config.json"
        if config.exists():
            self._require_same(read_json(config), settings, extendable)
        write_json(config, settings)
        self.metrics_path = self.path / "metrics.jsonl"

    def _require_same(self, before, settings, extendable):
        before, now = _flat(before), _flat(json.loads(json.dumps(settings)))
        differing = [
            name
            for name in sorted(set(before) | set(now))
            if before.get(name) != now.get(name) and name not in extendable
        ]
        if differing:
            listed = "; ".join(f"{n} was {before.get(n)!r}, is {now.get(n)!r}" for n in differing)
            raise InputError(
                f"{self.path}: the run here has other settings: {listed}. Run it on with its own, "
                "begin another with --run.folder, or remove the folder"
            )

    @property
    def state_path(self):
        return self.path / "state.npz"

    def load_state(self, like):
        """The state saved last, or None at the beginning of a run."""
        return load_tree(self.state_path, like) if self.state_path.exists() else None

    def save_state(self, state):
        save_tree(self.state_path, state)

    def forget_metrics_after(self, step):
        """Drops the metrics of steps after ``step``: a resumed run writes them again."""
        if not self.metrics_path.exists():
            return
        kept = []
        for line in self.metrics_path.read_text().splitlines():
            try:
                whole = json.loads(line)
            except ValueError:
                break  # the line that a kill cut off is the last
            if whole.get("step", 0) <= step:
                kept.append(line + "\n")
        with atomically(self.metrics_path, "w") as file:
            file.writelines(kept)

    def open_metrics(self):
        """A file to append JSON lines to, each on disk as soon as it is whole."""
        return open(self.metrics_path, "a", encoding="utf-8", buffering=1)


def _flat(tree, prefix=""):
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
