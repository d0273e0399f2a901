"""Tables for files and for the terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from mttjax.system.errors import InputError

__all__ = ["class_table", "markdown_table", "percent", "print_table"]


def percent(mean: float, std: float | None = None) -> str:
    """Accuracies in [0, 1] as per cent: ``percent(0.8134, 0.004)`` is ``"81.3 ± 0.4"``."""
    return f"{100 * mean:.1f}" if std is None else f"{100 * mean:.1f} ± {100 * std:.1f}"


def class_table(
    names: Sequence[str], tested: Sequence[int], scores: Mapping[str, Sequence[float | None]]
) -> tuple[list[str], list[list[object]]]:
    """(headers, rows) of the accuracy of each class, in %.

    Args:
      names: of the classes.
      tested: how many images of each class were tested on.
      scores: by what was tested, which becomes a column: an accuracy in [0, 1] for each class, or
        None where there was no image of it.
    """
    shown = lambda score: "" if score is None else percent(score)
    lines = zip(names, tested, *scores.values(), strict=True)
    rows = [[name, count, *map(shown, of_class)] for name, count, *of_class in lines]
    return ["class", "test images", *scores], rows


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A GitHub-flavoured Markdown table, the first column to the left, the others to the right.

    Args:
      headers: the columns' names.
      rows: sequences of as many values, shown by ``str``.

    Returns:
      The lines, without a last newline.

    Raises:
      InputError: a row with fewer or more values than there are headers.
    """
    lines = [[_cell(value) for value in line] for line in checked_rows(headers, rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = [":" + "-" * (w - 1) if i == 0 else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    lines.insert(1, rule)
    return "\n".join(_line(line, widths) for line in lines)


def checked_rows(headers: Iterable[object], rows: Iterable[Iterable[object]]) -> list[list[object]]:
    """The headers and the rows as lists, all of one length."""
    lines = [list(headers), *map(list, rows)]
    for number, line in enumerate(lines):
        if len(line) != len(lines[0]) or not line:
            raise InputError(
                f"row {number} of a table has {len(line)} values for {len(lines[0])} columns"
            )
    return lines


def _cell(value):
    return " ".join(str(value).split()).replace("|", "\\|")


def _line(cells, widths):
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"


def print_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table to the standard output; as Markdown where that is no terminal.

    Raises:
      InputError: a row with fewer or more values than there are headers.
    """
    lines = checked_rows(headers, rows)
    if not sys.stdout.isatty():
        print(f"{title}\n\n{markdown_table(headers, lines[1:])}\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for column, header in enumerate(lines[0]):
        table.add_column(Text(str(header)), justify="right" if column else "left")
    for line in lines[1:]:
        table.add_row(*(Text(str(value)) for value in line))
    Console().print(table)
