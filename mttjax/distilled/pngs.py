"""A distilled set as one PNG per image."""

import re
import unicodedata
from pathlib import Path

from mttjax.distilled.set import DistilledSet
from mttjax.system.errors import InputError

__all__ = ["export_pngs"]


def export_pngs(distilled: DistilledSet, folder: str | Path) -> list[Path]:
    """Writes every image as a PNG, in one sub-folder for each class that has images.

    Args:
      distilled: a set of images with 1 or 3 channels.
      folder: made if need be. Sub-folders carry the class names with everything but
        letters, digits, ``-``, ``_``, ``.`` and spaces replaced; equal names get the class number.

    Returns:
      The paths, ``<folder>/<class>/000.png`` and so on, in the order of ``distilled.images``.

    Raises:
      InputError: images of another number of channels, or ``folder`` is a file or holds PNGs
        that this call would not replace.
    """
    from PIL import Image

    channels = distilled.images.shape[-1]
    if channels not in (1, 3):
        raise InputError(f"a PNG has 1 or 3 channels, the distilled images have {channels}")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder for the PNGs")
    names = _folder_names(distilled.class_names)
    paths, counts = [], [0] * len(names)
    for k in distilled.classes:
        paths.append(folder / names[k] / f"{counts[k]:03d}.png")
        counts[k] += 1
    others = sorted(set(folder.rglob("*.png")) - set(paths))
    if others:
        raise InputError(f"{folder}: holds other PNGs, such as {others[0]}; give an empty folder")
    for path, pixels in zip(paths, distilled.pixels(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path)
    return paths


# Devices under Windows, whatever ending they have.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def _folder_names(class_names):
    """Distinct names, also where the file system ignores case, that cannot leave their folder."""
    names, taken = [], set()
    for k, class_name in enumerate(class_names):
        stem = unicodedata.normalize("NFKC", class_name)
        stem = re.sub(r"[^\w\-. ]", "_", stem)[:60].strip(" .") or "class"
        if _RESERVED.fullmatch(stem):
            stem = f"_{stem}"
        name = stem
        while name.casefold() in taken:
            name = f"{name}-{k}"
        taken.add(name.casefold())
        names.append(name)
    return names
