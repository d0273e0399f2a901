"""``mttjax demo``: the whole way on digits."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import require_folder

__all__ = ["demo", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Experts, two distillations and their evaluation on digits."""
    tyro.cli(demo, args=arguments, prog="mttjax demo")
    return 0


def demo(folder: Path = Path("runs/demo")) -> None:
    """The whole way on the bundled digits, in a minute on two cores.

    Args:
      folder: Where everything goes; run again, it goes on from there.
    """
    require_folder("--folder", folder)
    from mttjax.runs.demo import run_demo

    print(run_demo(folder))
