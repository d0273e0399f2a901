"""A result that is kept, and made again when something else decides it."""

import json

from mttjax.system.files import read_kept, write_json

__all__ = ["kept"]


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
