"""What was measured, in one JSON file that is whole after every row."""

import json
from pathlib import Path

from mttjax.system.files import atomically

__all__ = ["Records"]


class Records:
    """The file ``path``: runs, and under every name the record that was measured last.

    Args:
      path: of the JSON; the folder is there.
      run: the facts of this run, with its ``id`` and ``size``.
      keep: go on from what the file holds, if it is of the same size.
    """

    def __init__(self, path, run, *, keep):
        self.path, self.run = Path(path), run
        self.data = {"size": run["size"], "runs": {}, "records": {}}
        if keep and self.path.exists():
            before = json.loads(self.path.read_text(encoding="utf-8"))
            if before["size"] == run["size"]:
                self.data |= before
        self.data["runs"][run["id"]] = run

    @property
    def records(self):
        """name -> record."""
        return self.data["records"]

    def run_of(self, record):
        """The facts of the run that a record was measured in."""
        return self.data["runs"][record["run"]]

    def add(self, name, record):
        """Takes a record in place of the last of that name, and saves."""
        self.records[name] = record | {"run": self.run["id"]}
        self.save()

    def save(self):
        """Writes the file, without runs that nothing is left of."""
        used = {record["run"] for record in self.records.values()} | {self.run["id"]}
        self.data["runs"] = {i: run for i, run in self.data["runs"].items() if i in used}
        text = json.dumps(self.data, indent=1, ensure_ascii=False) + "\n"
        with atomically(self.path, "w") as file:
            file.write(text)
