"""``mttjax export``: a set as PNGs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import require_folder
from mttjax.distilled import export_pngs, load_distilled
from mttjax.system.fields import Checked

__all__ = ["ExportOptions", "main"]


@dataclasses.dataclass(frozen=True)
class ExportOptions(Checked):
    """Writes the images of a distilled set as PNGs, one sub-folder per class."""

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The folder to write to."""


@messages
def main(arguments: Sequence[str]) -> int:
    """Writes the images of a set."""
    options = tyro.cli(ExportOptions, args=arguments, prog="mttjax export")
    require_folder("--to", options.to)
    paths = export_pngs(load_distilled(options.set), options.to)
    print(f"{len(paths)} images: {options.to}")
    return 0
