"""Starting a command: the one module that imports nothing but the standard library."""

import importlib
import sys

__all__ = ["command"]

SETUP = "make env && . .venv/bin/activate   (in a checkout), or: pip install mttjax"


def command(name):
    """Runs ``mttjax.cli.<name>`` and leaves with its status.

    A missing dependency is one line with the set-up commands; bad input is its message;
    neither is a traceback.
    """
    sys.stdout.reconfigure(line_buffering=True)  # a log that is followed shows whole lines
    try:
        cli = importlib.import_module("mttjax.cli")
        status = getattr(cli, name)(sys.argv[1:])
    except ModuleNotFoundError as error:
        status = f"{name}: the package {error.name!r} is missing. Set up with: {SETUP}"
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 141
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 2
    raise SystemExit(status)
