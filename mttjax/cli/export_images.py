"""``export_images``: a set as PNGs."""

import dataclasses
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.config.checks import check_options

__all__ = ["main"]


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Writes the images of a distilled set as PNGs, one sub-folder per class."""

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The folder to write to."""


@messages
def main(arguments):
    """bin/export_images: the images of a set as PNGs."""
    options = tyro.cli(ExportOptions, args=arguments, prog="export_images")
    check_options(options)
    require_folder("--to", options.to)
    from mttjax.distilled import export_pngs, load_distilled

    paths = export_pngs(load_distilled(options.set), options.to)
    print(f"{len(paths)} images: {options.to}")
    return 0
