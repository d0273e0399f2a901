"""One HTML page, whole in itself: pictures, style and script inside, nothing loaded."""

import base64
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mttjax.reporting.blocks import Note, Section
from mttjax.reporting.tables import checked_rows, percent
from mttjax.system.files import atomically

__all__ = ["page", "page_policy", "write_page"]

_LEVELS = 20  # of settings that get a line each; what is below is one value


def page(title: str, lead: str = "", sections: Sequence[Section] = ()) -> bytes:
    """A page, readable anywhere.

    Every text is escaped, and no script runs but the page's own. The page may be mailed: it
    refers to nothing outside itself.

    Args:
      title: the heading.
      lead: what came out, in plain text; an empty line begins a paragraph.
      sections: what follows; those without blocks are left out.

    Raises:
      InputError: a table's row has fewer or more values than headers.
    """
    text = (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            paragraphs=Note(lead).paragraphs,
            sections=[section for section in sections if section.blocks],
            policy=page_policy(),
            style=_source("page.css"),
            script=_source("page.js"),
        )
    )
    return text.encode("utf-8", "replace")


def write_page(folder: str | Path, content: bytes) -> Path:
    """Writes a page as ``index.html`` of a folder, made if need be; returns its path."""
    path = Path(folder) / "index.html"
    with atomically(path) as file:
        file.write(content)
    return path


def page_policy() -> str:
    """The Content-Security-Policy that every page asks for, and that its server may send too."""
    script = hashlib.sha256(_source("page.js").encode()).digest()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(script).decode()}'"
    )


@functools.cache
def _environment():
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mttjax.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"flat": _flat, "lines": _lines, "percent": percent}
    return environment


def _source(name):
    """A template's text as it lies there; the script's is what its hash is of."""
    environment = _environment()
    return environment.loader.get_source(environment, name)[0]


def _lines(table):
    return checked_rows(table.headers, table.rows)


def _flat(
    tree: Mapping[str, Any], prefix: str = "", levels: int = _LEVELS
) -> Iterator[tuple[str, str]]:
    """(dotted name, value as text) of every leaf."""
    for name, value in tree.items():
        if isinstance(value, dict) and value and levels:
            yield from _flat(value, f"{prefix}{name}.", levels - 1)
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else _as_json(value)


def _as_json(value):
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return "nested too deeply to be shown"
