"""What lies in a folder: whether every file is whole, and what must be alike in two folders."""

import csv
import hashlib
import io
import json
from pathlib import Path

from mttjax.system.errors import InputError
from mttjax.system.files import leftovers, read_json
from mttjax.system.npz import read_arrays

__all__ = ["content", "cut_lines", "differing", "files_left", "not_whole"]

TIMED = {
    *("seconds", "evaluation_seconds", "evaluate_seconds", "peak_bytes", "peak_gb"),
    *("date", "created", "hardware", "command", "checksum"),
}
"""Names of what differs between two runs that did the same."""

DRAWN_FROM_TIMES = {"curves.png", "cost.png"}
KEPT_APART = {"good.npz"}  # an older state: which one depends on when it was saved
READERS = {".npz": read_arrays, ".json": read_json}


def files_left(folder):
    """The names of the temporary files that a kill left under ``folder``."""
    return [str(path.relative_to(folder)) for path in leftovers(folder)]


def not_whole(folder):
    """The visible files under ``folder`` that are not whole: their names and why."""
    found = []
    for path in _visible(folder):
        try:
            _check(path)
        except (InputError, OSError, ValueError, SyntaxError) as error:
            found.append(f"{path.relative_to(folder)}: {error}")
    return found


def _visible(folder):
    """All files but hidden ones and Python's."""
    paths = sorted(Path(folder).rglob("*"))
    hidden = lambda path: any(part.startswith((".", "__")) for part in path.parts)
    return [p for p in paths if p.is_file() and not hidden(p.relative_to(folder))]


def _check(path):
    """Raises where a file is cut or damaged."""
    if path.suffix in READERS:
        READERS[path.suffix](path)
    elif path.suffix == ".png":
        from PIL import Image

        with Image.open(path) as image:
            image.verify()
    elif path.suffix == ".jsonl":
        lines = path.read_text(encoding="utf-8").split("\n")
        for line in lines[:-1]:  # the last is cut off where its line break is missing
            json.loads(line)
    elif path.suffix == ".html" and not path.read_text("utf-8").rstrip().endswith("</html>"):
        raise ValueError("does not end with </html>")


def cut_lines(folder):
    """How many metrics under ``folder`` end within a line."""
    texts = [path.read_bytes() for path in Path(folder).rglob("metrics.jsonl")]
    return sum(not text.endswith(b"\n") for text in texts if text)


def content(folder):
    """name -> a digest of what two folders must share: bytes of arrays and pictures, numbers.

    Not in it: dates, seconds, memory, and what is drawn from them.
    """
    found = {}
    for path in _visible(folder):
        with_times = path.parent.parent.name == "full_data"  # states that count their seconds
        if with_times or path.name in DRAWN_FROM_TIMES | KEPT_APART:
            continue
        data = _lasting(path)
        if data is not None:
            found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found


def differing(mine, reference):
    """The names whose content is not the same in both, or that only one of them has."""
    return sorted(n for n in {*mine, *reference} if mine.get(n) != reference.get(n))


def _lasting(path):
    """The bytes of a file without what differs from run to run; None: nothing lasts."""
    if path.suffix in (".npz", ".png"):
        return path.read_bytes()
    if path.suffix == ".json":
        return _as_bytes(json.loads(path.read_text("utf-8")))
    if path.suffix == ".jsonl":
        return _as_bytes([json.loads(line) for line in path.read_text("utf-8").splitlines()])
    if path.suffix == ".csv":
        return _as_bytes(list(csv.DictReader(io.StringIO(path.read_text("utf-8")))))
    return None


def _as_bytes(value):
    return json.dumps(_without_times(value), sort_keys=True).encode()


def _without_times(value):
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in TIMED}
    if isinstance(value, list):
        return [_without_times(v) for v in value]
    return value
