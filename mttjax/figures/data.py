"""What every figure does with its numbers: keep them, write them, check what was asked for."""

import csv
import io
import json

from mttjax.errors import InputError
from mttjax.storage.files import atomically, read_kept, write_json

__all__ = ["kept", "require_at_least", "write_csv"]


def kept(path, decided, make):
    """What ``make()`` returns, or what it returned before, if the same things decide it.

    Args:
      path: a JSON file; written when there is none, or one that other things decided.
      decided: JSON values, all that the result depends on.
      make: makes the result, JSON values.
    """
    decided = json.loads(json.dumps(decided))
    if (found := read_kept(path)) and found.get("of") == decided:
        return found["result"]
    result = make()
    write_json(path, {"of": decided, "result": result})
    return result


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
