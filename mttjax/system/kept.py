"""A result that is kept, and made again when something else decides it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json
from mttjax.system.provenance import stamp

__all__ = ["kept"]


def kept(
    path: Path | None,
    decided: object,
    make: Callable[[], Any],
    log: Callable[[str], object] = print,
) -> dict[str, Any]:
    """What ``make()`` returns, or what it returned before if the same things decided it.

    Args:
      path: a JSON file, written when there is none, when it is damaged, or when other things
        decided it; None: nothing is kept.
      decided: JSON values, all that the result depends on.
      make: makes the result, JSON values.
      log: called with a line of text where a damaged file is made again.

    Returns:
      ``of``, what decided it; ``result``; and the ``stamp`` of when and where it was made.
    """
    decided = json.loads(json.dumps(decided))
    if path is not None and path.exists():
        try:
            record = read_json(path)
            if record.get("of") == decided and "result" in record:
                return record
        except InputError as error:
            log(f"{error}; made again")
    record = {"of": decided, "result": make()} | stamp()
    if path is not None:
        write_json(path, record)
    return record
