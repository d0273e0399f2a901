"""``mttjax watch``: the page of a run, which follows it while it goes on."""

import os
from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages

__all__ = ["main", "watch"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Serves the page of a run until it is stopped."""
    tyro.cli(watch, args=arguments, prog="mttjax watch")
    return 0


def watch(run: tyro.conf.Positional[Path], port: int = 8000) -> None:
    """Serves the page of a run, drawn anew while the run goes on, to this machine alone.

    Nothing is written to the folder. Beside the page its files can be had, none outside it.
    Ctrl-C ends it.

    Args:
      run: The folder of the run.
      port: Where on 127.0.0.1; 0: any that is free.
    """
    # Drawing needs no accelerator, whose memory is the run's.
    os.environ["JAX_PLATFORMS"] = "cpu"
    from mttjax.runs.watching import serve

    serve(run, port)
