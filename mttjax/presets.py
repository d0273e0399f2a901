"""The presets: the settings of a data set, and the published settings of every method."""

import dataclasses
import difflib
from functools import partial

from mttjax.config import Condense, Distill, LearnLabels, LearnThrough, Select, Settings
from mttjax.errors import InputError
from mttjax.preset_files import load_preset, preset_names
from mttjax.settings_checks import check_settings

__all__ = [
    "METHODS",
    "NEED_EXPERTS",
    "SELECTIONS",
    "TITLES",
    "load_preset",
    "preset_names",
    "preset_row",
    "published_settings",
    "settings_of",
]

SELECTIONS = ("random", "herding", "k_center", "forgetting")

TITLES = {
    "random": "Random",
    "herding": "Herding",
    "k_center": "K-center",
    "forgetting": "Forgetting",
    "dd": "DD",
    "ld": "LD",
    "dc": "DC",
    "dsa": "DSA",
    "dm": "DM",
    "cafe": "CAFE",
    "cafe_dsa": "CAFE+DSA",
    "mtt": "MTT",
}
"""The methods in the order of the paper's table, and what tables call them."""

METHODS = tuple(TITLES)

NEED_EXPERTS = ("herding", "k_center", "forgetting", "mtt")
"""The methods that look at trained experts."""

_LOOPS = {1: (1, 1), 10: (10, 50), 50: (50, 10)}
"""ipc -> (steps of the images with one network, epochs of the network between them)."""


def published_settings(method, ipc):
    """The settings of a method as published; what is not published says so here.

    DC and DSA: 1000 networks. DM: 20,000 steps, the images' rate 1, and 10 from 100 images
    per class. CAFE: 2000 networks in DC's loops. DD: 400 epochs of 50,000 images in batches of
    1024, about 50 steps each. LD: the steps are not published; 10,000 are ours.
    """
    image_steps, network_epochs = _row(_LOOPS, ipc)
    looped = partial(Condense, image_steps=image_steps, network_epochs=network_epochs)
    cafe = partial(
        looped,
        match="layers",
        steps=2000 * image_steps,
        halve_at=tuple(n * image_steps for n in (1200, 1600, 1800)),
        initial="noise",
    )
    makers = {
        "dc": partial(looped, steps=1000 * image_steps, augmented=False, initial="noise"),
        "dsa": partial(looped, steps=1000 * image_steps),
        "dm": partial(Condense, match="means", steps=20_000, lr_img=10 if ipc >= 100 else 1),
        "cafe": partial(cafe, augmented=False),
        "cafe_dsa": cafe,
        "dd": partial(LearnThrough, steps=20_000, halve_every=2000, initial="noise"),
        "ld": partial(LearnLabels, steps=10_000),
        "mtt": Distill,
    }
    return makers.get(method, Select)()


def settings_of(preset, ipc, method="mtt") -> Settings:
    """The settings of a preset for a method: MTT's row, or the published settings.

    A preset may change the published settings of a method by ``METHODS``: method -> ipc ->
    changed fields, the row of the nearest ipc below.

    Raises:
      InputError: an unknown method, the nearest name is given; or settings out of range.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"method {method!r}: {hint}There are {', '.join(METHODS)}")
    settings = preset.get_config(ipc)
    if method == settings.method:
        return settings
    rows = getattr(preset, "METHODS", {}).get(method)
    changes = _row(rows, ipc) if rows else {}
    distill = published_settings(method, ipc)
    fields = {field.name for field in dataclasses.fields(distill)}
    if unknown := sorted(set(map(str, changes)) - fields):
        raise InputError(f"the preset's METHODS[{method!r}] has no setting {', '.join(unknown)}")
    distill = dataclasses.replace(distill, **changes)
    settings = dataclasses.replace(settings, method=method, distill=distill)
    check_settings(settings)
    return settings


def _row(rows, ipc):
    """The row for ``ipc``; between two, or beyond, that of the nearest below."""
    return rows[max((n for n in rows if n <= ipc), default=min(rows))]


def preset_row(rows, ipc, **changes):
    """The row of a preset for ``ipc``; between two rows, or beyond, that of the nearest below.

    Args:
      rows: ipc -> ``Distill``.
      ipc: images per class.
      changes: fields that are the same in every row.
    """
    return dataclasses.replace(_row(rows, ipc), **changes)
