"""What was measured, in one JSON file that is whole after every row."""

import json
import os
from pathlib import Path

__all__ = ["Records"]


class Records:
    """The file ``path``: runs, and under every name the record that was measured last.

    Args:
      path: of the JSON; the folder is there.
      size: ``full``, ``quick`` or ``tiny``.
      run: the facts of this run, with its ``id``; None: it adds no records.
      keep: go on from what the file holds, if it is of the same size.
    """

    def __init__(self, path, size, run, *, keep):
        self.path = Path(path)
        self.data = {"size": size, "runs": {}, "records": {}, "accelerator": None}
        if self.path.exists():
            before = json.loads(self.path.read_text(encoding="utf-8"))
            if before["size"] == size:
                # What was measured on an accelerator was measured on another machine.
                kept = before if keep else {"accelerator": before.get("accelerator")}
                self.data |= kept
        self.run = run
        if run:
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
        """Writes the file in one go, without runs that nothing is left of."""
        used = {record["run"] for record in self.records.values()}
        used |= {self.run["id"]} if self.run else set()
        self.data["runs"] = {i: run for i, run in self.data["runs"].items() if i in used}
        text = json.dumps(self.data, indent=1, ensure_ascii=False) + "\n"
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, self.path)
