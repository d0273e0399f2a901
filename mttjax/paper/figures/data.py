"""What every figure does with its numbers: keep them, write them, check what was asked for."""

import csv
import io

from mttjax.system.errors import InputError
from mttjax.system.files import atomically

__all__ = ["require_at_least", "write_csv"]


def write_csv(path, headers, rows):
    """Writes a table as ``path``, atomically; None becomes an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([headers, *rows])
    with atomically(path, "w") as file:
        file.write(out.getvalue())
    return path


def require_at_least(least, **numbers):
    """Raises ``InputError`` unless every number, or all numbers of a tuple, are ``least``."""
    for name, value in numbers.items():
        each = value if isinstance(value, tuple) else (value,)
        if not each or min(each) < least:
            given = " ".join(map(str, each)) or "(nothing)"
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} {given}: give numbers of at least {least}")
