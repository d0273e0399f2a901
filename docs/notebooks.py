"""A notebook as a page of the site: its text, its code, and what that printed and drew."""

import itertools
import json
from pathlib import Path

__all__ = ["notebook_page"]


def notebook_page(path: Path) -> str:
    """The Markdown of a notebook with its outputs."""
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join(part for cell in cells for part in _parts(cell)) + "\n"


def _parts(cell):
    text = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [text]
    is_text = lambda output: output["output_type"] == "stream"
    outputs = []
    for printed, group in itertools.groupby(cell["outputs"], is_text):
        if printed:
            outputs.append(_printed("".join(line for out in group for line in out["text"])))
        else:
            outputs += [_shown(output["data"]) for output in group]
    return [f"```python\n{text}\n```", *outputs]


def _shown(data):
    if picture := data.get("image/png"):
        picture = "".join(picture).replace("\n", "")
        return f"![What the cell above draws](data:image/png;base64,{picture})"
    return _printed("".join(data["text/plain"]))


def _printed(text):
    return f"```text\n{text.rstrip()}\n```"
