"""The commands, a file each: ``main(arguments)`` returns a status, or a message for status 2.

This room parses, says what went wrong and names the option that mends it; all work is done in
the rooms below, which know of no command line. Nothing is imported until a command is asked
for: ``launch`` must run before what could be missing.
"""

import importlib
from types import ModuleType

__all__ = [
    "check",
    "demo",
    "distill",
    "evaluate",
    "export",
    "figure",
    "launch",
    "table",
    "train_experts",
]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module 'mttjax.cli' has no attribute {name!r}")
    return importlib.import_module(f"mttjax.cli.{name}")
