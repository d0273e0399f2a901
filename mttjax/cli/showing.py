"""The commands that show: the images of a set, and the whole way on digits."""

import dataclasses
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.places import require_folder
from mttjax.settings_checks import check_options

__all__ = ["demo", "export_images"]


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Writes the images of a distilled set as PNGs, one sub-folder per class."""

    set: Path
    """A distilled set, an .npz."""
    to: Path
    """The folder to write to."""


@messages
def export_images(arguments):
    """bin/export_images: the images of a set as PNGs."""
    options = tyro.cli(ExportOptions, args=arguments, prog="export_images")
    check_options(options)
    require_folder("--to", options.to)
    from mttjax.distilled import export_pngs, load_distilled

    paths = export_pngs(load_distilled(options.set), options.to)
    print(f"{len(paths)} images: {options.to}")
    return 0


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """The whole way on the bundled digits, in about three minutes on two cores."""

    folder: Path = Path("runs/demo")
    """Where everything goes; run again, it goes on from there."""


@messages
def demo(arguments):
    """bin/demo: experts, two distillations and their evaluation on digits."""
    options = tyro.cli(DemoOptions, args=arguments, prog="demo")
    check_options(options)
    require_folder("--folder", options.folder)
    from mttjax.demo import run_demo

    run_demo(options.folder)
    return 0
