"""``mttjax export``: a set as PNGs."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import require_folder
from mttjax.distilled import export_pngs, load_distilled

__all__ = ["export", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Writes the images of a set."""
    tyro.cli(export, args=arguments, prog="mttjax export")
    return 0


def export(set: Path, to: Path) -> None:
    """Writes the images of a distilled set as PNGs, one sub-folder per class.

    Args:
      set: A distilled set, an .npz.
      to: The folder to write to.
    """
    require_folder("--to", to)
    print(f"{len(export_pngs(load_distilled(set), to))} images: {to}")
