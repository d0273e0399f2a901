"""``mttjax export``: a set as PNGs, and what they cannot hold of it."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import require_folder

__all__ = ["export", "main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Writes the images of a set."""
    tyro.cli(export, args=arguments, prog="mttjax export")
    return 0


def export(set: Path, to: Path) -> None:
    """Writes the images of a distilled set as PNGs, one sub-folder per class, and how to use them.

    Where labels are soft no folder is right: the images lie side by side, and their labels are in
    how_to_use.json, with the learning rate, the normalisation and the augmentation.

    Args:
      set: A distilled set, an .npz.
      to: The folder to write to.
    """
    from mttjax.distilled import export_pngs, load_distilled
    from mttjax.distilled.pngs import HOW_TO_USE

    require_folder("--to", to)
    distilled = load_distilled(set)
    count = len(export_pngs(distilled, to))
    print(f"{count} images: {to}\nhow to use them: {to / HOW_TO_USE}")
    if share := distilled.clipped():
        print(
            f"{100 * share:.1f} % of their pixels are darker than black or lighter than white in "
            "the set, and clipped in the PNGs, which costs accuracy; the .npz has them whole"
        )
    if distilled.has_soft_labels:
        print(f"the labels are probabilities, in {HOW_TO_USE}; there are no folders of classes")
