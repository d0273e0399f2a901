"""What a page is made of: plain values, each drawn by a template of its name."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = [
    "Bar",
    "Bars",
    "Block",
    "Code",
    "Folded",
    "Images",
    "ImagesOfClass",
    "Note",
    "Panel",
    "Plot",
    "Section",
    "SettingsList",
    "Table",
    "Tick",
]


class Block:
    """A part of a page."""

    kind: ClassVar[str]
    """The macro of ``blocks.html`` that draws it."""


@dataclasses.dataclass(frozen=True)
class Note(Block):
    """Plain text; an empty line begins a paragraph."""

    kind = "note"
    text: str

    @property
    def paragraphs(self) -> list[str]:
        """Those that say something."""
        return [part.strip() for part in self.text.split("\n\n") if part.strip()]


@dataclasses.dataclass(frozen=True)
class Code(Block):
    """Commands, or what was printed."""

    kind = "code"
    name: str
    """What it is, for who does not see it."""
    text: str


@dataclasses.dataclass(frozen=True)
class Table(Block):
    """A table that its reader can sort by any column; values are shown by ``str``."""

    kind = "table"
    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclasses.dataclass(frozen=True)
class SettingsList(Block):
    """Settings by dotted names: a dictionary of JSON values, nested or flat."""

    kind = "settings"
    values: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Bar:
    """An accuracy in [0, 1] with its standard deviation."""

    name: str
    mean: float
    std: float
    real: bool = False
    """It is of real images, which what was made is compared with."""


@dataclasses.dataclass(frozen=True)
class Bars(Block):
    """Accuracies beside each other."""

    kind = "bars"
    caption: str
    bars: Sequence[Bar]


@dataclasses.dataclass(frozen=True)
class ImagesOfClass:
    """The pictures of one class, as ``data:`` addresses."""

    name: str
    real: str
    """A real image; empty: none is shown."""
    made: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Images(Block):
    """Images by their classes."""

    kind = "images"
    caption: str
    classes: Sequence[ImagesOfClass]
    width: int
    height: int
    """Of each on the screen: a whole number of times its own."""
    made: str = "distilled"
    """What the images are, beside the real ones."""

    @property
    def single(self) -> bool:
        """Whether there is one image per class."""
        return all(len(of_class.made) <= 1 for of_class in self.classes)


@dataclasses.dataclass(frozen=True)
class Tick:
    """A mark of an axis."""

    at: float
    """In per cent of the axis, from the left or the top."""
    label: str


@dataclasses.dataclass(frozen=True)
class Panel:
    """One curve over the steps, as paths in a square of 100 by 100, y downward."""

    title: str
    alt: str
    """What is seen, in words."""
    remark: str
    """Such as which was the best."""
    line: str
    band: str
    """Round what the line is the mean of."""
    dots: str
    ticks: Sequence[Tick]
    points: Sequence[tuple[float, float, float, str]]
    """(step, x, y, the value in words) of what can be read out."""


@dataclasses.dataclass(frozen=True)
class Plot(Block):
    """Panels over one axis of steps."""

    kind = "plot"
    caption: str
    panels: Sequence[Panel]
    ticks: Sequence[Tick]
    first: int
    last: int
    unit: str = "step"
    """What is counted along the axis."""


@dataclasses.dataclass(frozen=True)
class Folded(Block):
    """What is seen when it is asked for."""

    kind = "folded"
    summary: str
    blocks: Sequence[Block]


@dataclasses.dataclass(frozen=True)
class Section(Block):
    """Blocks under a heading; sections in it have headings of the next level."""

    kind = "section"
    heading: str
    blocks: Sequence[Block]
