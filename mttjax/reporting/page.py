"""One HTML page about a run, whole in itself: images inside, no script, nothing loaded."""

import base64
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mttjax.reporting.grids import MARK
from mttjax.reporting.style import STYLE
from mttjax.reporting.tables import checked_rows
from mttjax.system.files import atomically

__all__ = ["write_page"]

_LEVELS = 20  # of settings that get a line each; what is below is one value

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

_WIDE = 1000  # pixels that the page has for a figure; wider ones are scaled down

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{sections}
</main>
</body>
</html>
"""


def write_page(
    folder: str | Path,
    *,
    title: str,
    summary: str,
    tables: Iterable[tuple[str, Sequence[str], Iterable[Sequence[object]]]],
    figures: Iterable[tuple[str | Path, str]],
    settings: Mapping[str, Any],
    command: str,
    log: str = "",
) -> Path:
    """Writes ``index.html``: results, figures, settings and the command, readable anywhere.

    Every text is escaped. The page may be mailed: it refers to nothing outside itself.

    Args:
      folder: where to; made if need be.
      title: the heading.
      summary: what was done, in plain text; an empty line begins a paragraph.
      tables: (caption, headers, rows) each, values shown by ``str``.
      figures: (path of an image, caption) each; one that is missing or no image gets a note.
      settings: a dictionary of JSON values, nested or flat.
      command: the shell command that makes the run again.
      log: what the run printed, or the end of that.

    Returns:
      The path of the page.

    Raises:
      InputError: a table's row has fewer or more values than headers.
    """
    paragraphs = (text for text in summary.split("\n\n") if text.strip())
    parts = [
        *(f'<p class="summary">{escape(text.strip())}</p>' for text in paragraphs),
        *(_table(*table) for table in tables),
        *(_figure(Path(path), caption) for path, caption in figures),
        f"<h2>Log</h2>\n<pre><code>{escape(log)}</code></pre>" if log else "",
        _settings(settings),
        f"<h2>Run it again</h2>\n<pre><code>{escape(command)}</code></pre>" if command else "",
    ]
    page = _PAGE.format(title=escape(title), style=STYLE, sections="\n".join(filter(None, parts)))
    path = Path(folder) / "index.html"
    with atomically(path) as file:
        file.write(page.encode("utf-8", "replace"))
    return path


def _table(caption, headers, rows):
    lines = checked_rows(headers, rows)
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in lines[0])
    body = "\n".join(_row(line) for line in lines[1:])
    return (
        f'<h2>{escape(caption)}</h2>\n<div class="scroll"><table class="results">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _row(values):
    first, *others = (escape(str(value)) for value in values)
    cells = "".join(f"<td>{value}</td>" for value in others)
    return f'<tr><th scope="row">{first}</th>{cells}</tr>'


def _figure(path, caption):
    caption = escape(caption)
    try:
        image = _image(path, caption)
    # Pillow lets out SyntaxError, DecompressionBombError and others besides OSError.
    except Exception:
        return f'<p class="missing">{caption}: {escape(path.name)} is not there yet.</p>'
    return (
        f'<figure>\n<div class="pan">{image}</div>\n<figcaption>{caption}</figcaption>\n</figure>'
    )


def _image(path, alt):
    from PIL import Image

    data = path.read_bytes()
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        kind = Image.MIME[image.format]
        grid = image.info.get("Title") == MARK
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    # A crisp grid that is scaled down loses whole rows of its pixels: wide ones are smoothed.
    style = "wide" if width > _WIDE else "crisp" if grid else "small"
    return f'<img class="{style}" width="{width}" height="{height}" alt="{alt}" src="{source}">'


def _settings(settings):
    if not settings:
        return ""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _flat(settings)
    )
    return (
        "<details>\n<summary>Settings</summary>\n"
        f'<div class="scroll"><table class="settings">\n<tbody>\n{rows}\n</tbody>\n</table></div>\n'
        "</details>"
    )


def _flat(tree, prefix="", levels=_LEVELS):
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
