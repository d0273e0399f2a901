"""A table, once for the screen and once as Markdown."""

from dataclasses import dataclass, field

from rich import box
from rich.table import Table as RichTable

__all__ = ["Table", "bytes_text", "seconds_text", "spread_text"]


@dataclass
class Table:
    """A title, a header, rows of strings, and sentences below."""

    title: str
    header: list
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def markdown(self):
        """GitHub's form; the first column to the left, numbers to the right."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = [self._line(self.header), self._line(rule), *map(self._line, self.rows)]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"### {self.title}", "", *lines, *notes, ""])

    @staticmethod
    def _line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    def rich(self):
        """For the screen."""
        table = RichTable(title=self.title, title_justify="left", box=box.SIMPLE_HEAD)
        for i, name in enumerate(self.header):
            table.add_column(name, justify="right" if i else "left")
        for row in self.rows:
            table.add_row(*map(str, row))
        return table


def seconds_text(value):
    """Three figures: ``12.3 s``, ``12.3 ms``."""
    if value is None:
        return ""
    unit, scale = _unit(value)
    return f"{_figures(scale * value)} {unit}"


def spread_text(values, middle):
    """``1.20 s (1.10-1.40)``."""
    _, scale = _unit(middle)
    low, high = (_figures(scale * value) for value in (min(values), max(values)))
    return f"{seconds_text(middle)} ({low}-{high})"


def _unit(seconds):
    return ("s", 1) if seconds >= 0.1 else ("ms", 1000)


def _figures(value):
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def bytes_text(value):
    """``1.23 GB`` or ``123 MB``, decimal units."""
    if value is None:
        return ""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
