"""What the parts write: a JSON line for every row, and a table of all lines."""

import contextlib
import json
import math
import time
import traceback
from statistics import median

import jax

from benchmarks.tables import Table

__all__ = ["CALLS", "Recorder", "seconds_of", "tables"]

CALLS = 5  # timed, after one that is not


class Recorder:
    """Appends the rows of a part to a file of JSON lines.

    Args:
      path: of the file.
      part: the name of the part.
    """

    def __init__(self, path, part):
        self.path, self.part = path, part

    def __call__(self, row, **values):
        """A row and what was found."""
        line = {"part": self.part, "row": row} | values
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    @contextlib.contextmanager
    def attempt(self, row):
        """What fails within is written, and does not stop the rest."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            lines = str(error).strip().splitlines() or [""]
            self(row, failed=f"{type(error).__name__}: {lines[0][:200]}")


def seconds_of(run, count=CALLS):
    """The median seconds of ``run()``, which returns arrays, after a first call."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return median(seconds)


def tables(path):
    """A table for every part of the file, as Markdown."""
    parts = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            values = json.loads(line)
            parts.setdefault(values.pop("part"), []).append(values)
    return "\n\n".join(_table(part, rows).markdown() for part, rows in parts.items()) + "\n"


def _table(part, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(part, names, [[_cell(row.get(name)) for name in names] for row in rows])


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)
