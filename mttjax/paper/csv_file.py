"""What the table and every figure write beside their picture."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from mttjax.system.files import atomically

__all__ = ["write_csv"]


def write_csv(path: Path, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Writes a table as ``path``, atomically; None becomes an empty cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([headers, *rows])
    with atomically(path, "w") as file:
        file.write(out.getvalue())
    return path
