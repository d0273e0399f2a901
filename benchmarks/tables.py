"""A table in Markdown; numbers, budgets and verdicts in its cells."""

from dataclasses import dataclass, field

__all__ = ["Table", "at_least", "at_most", "bytes_text", "seconds_text", "spread_text"]


@dataclass
class Table:
    """A title, a header, rows of strings, and sentences below."""

    title: str
    header: list
    rows: list
    notes: list = field(default_factory=list)

    def markdown(self):
        """GitHub's form; the first column to the left, numbers to the right."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = [
            "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
            for cells in (self.header, rule, *self.rows)
        ]
        return "\n".join([f"### {self.title}", "", *lines, *(f"\n{note}" for note in self.notes)])


def seconds_text(value):
    """Three figures: ``12.3 s``, ``12.3 ms``."""
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
    """``1.23 GB`` or ``123 MB``, decimal units; nothing for None."""
    if value is None:
        return ""
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"


def at_least(value, budget, text="{:.2f}x".format):
    """``met``, or by how much a value is not large enough; nothing where there is no budget.

    Args:
      value: None where it could not be measured.
      budget: None where there is none.
      text: how the two are written.
    """
    return _verdict(value, budget, text, value is not None and value >= (budget or 0))


def at_most(value, budget, text="{:.2f}x".format):
    """The same of a value that should be small enough."""
    return _verdict(value, budget, text, value is not None and value <= (budget or 0))


def _verdict(value, budget, text, met):
    if budget is None:
        return ""
    if value is None:
        return f"not measured (budget {text(budget)})"
    if met:
        return f"met ({text(value)}, budget {text(budget)})"
    return f"not met ({text(value)} of {text(budget)})"
