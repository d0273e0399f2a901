"""The commands, a file each: ``main(arguments)`` returns a status, or a message for status 2.

Nothing is imported until a command is asked for: ``launch`` must run before what could be missing.
"""

import importlib

__all__ = [
    "check",
    "demo",
    "distill",
    "evaluate",
    "export_images",
    "figure",
    "table",
    "train_experts",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'mttjax.cli' has no attribute {name!r}")
    return importlib.import_module(f"mttjax.cli.{name}")
