"""A server of one run's page, for this machine alone, that draws it anew while the run goes on."""

import contextlib
import errno
import os
import shutil
import stat
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from mttjax.reporting.page import page, page_policy
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import run_page
from mttjax.system.console import detail, say
from mttjax.system.errors import InputError
from mttjax.system.locks import at_work

__all__ = ["Watched", "make_server", "progress_of", "serve"]

HOST = "127.0.0.1"
EVERY = 5
"""Seconds to when a browser asks again while the run goes on; more where drawing takes long."""
RESTING = 60
"""And while it does not."""
LOG_LINES, LOG_BYTES = 15, 2**14

_TEXT = "text/plain; charset=utf-8"
_TYPES = {".png": "image/png"} | dict.fromkeys((".txt", ".json", ".jsonl"), _TEXT)
"""Of files that are shown; others are had as files. Nothing in them is run."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": page_policy(),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def serve(folder: str | Path, port: int) -> None:
    """Serves the page of a run until the process ends.

    Raises:
      InputError: no such folder, or a port that cannot be had.
    """
    with make_server(folder, port) as server:
        say(f"{folder}: http://{HOST}:{server.server_port}/ (Ctrl-C ends it)")
        server.serve_forever()


@contextlib.contextmanager
def make_server(folder: str | Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """The server, which listens on 127.0.0.1 and answers once ``serve_forever`` is called.

    Args:
      folder: of a run, begun or not.
      port: 0: any that is free; ``server_port`` of the server says which.

    Raises:
      InputError: no such folder, or a port that cannot be had.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder; it is there once the run has begun")
    if not 0 <= port < 2**16:
        raise InputError(f"port is {port}: give a number from 0 to 65535")
    handler = type("Handler", (_Handler,), {"watched": Watched(Path(folder))})
    try:
        server = _Server((HOST, port), handler)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise InputError(
            f"port is {port}: {error.strerror}; give another, or 0 for any that is free"
        ) from error
    with server:
        yield server


class Watched:
    """The page of a run, drawn when it is asked for and something has changed.

    Args:
      folder: of the run; nothing is written there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._of: tuple[bool, dict[str, int]] | None = None
        self._page = b""
        self._took, self._at = 0.0, 0.0

    def page(self) -> tuple[bytes, int]:
        """The page, and the seconds after which it is worth asking again."""
        with self._lock:
            works = at_work(self.folder)
            wait = max(EVERY, int(10 * self._took))  # a tenth of one core's time at the most
            found = works, self._files()
            # One second less: a browser that waits as it is told finds what is new.
            if found != self._of and time.monotonic() - self._at > (wait - 1 if self._of else 0):
                begin = time.monotonic()
                self._page, self._of = self._draw(works), found
                self._at = time.monotonic()
                self._took = self._at - begin
            return self._page, wait if works or found != self._of else RESTING

    def _files(self):
        """What tells whether there is something new."""
        with os.scandir(self.folder) as entries:
            return {e.name: e.stat(follow_symlinks=False).st_mtime_ns for e in entries}

    def _draw(self, works):
        try:
            self._refuse_links()
            run = RunFolder(self.folder)
            now, log = progress_of(run, works=works), _end_of(run)
            return run_page(run, now=now, log=log)
        except Exception as error:  # of damaged files; they may be whole the next time
            return page("mttjax", str(error) if isinstance(error, InputError) else repr(error))

    def _refuse_links(self):
        """What the page is made of lies in the folder, and what leads out of it is not read."""
        home = self.folder.resolve()
        for path in self.folder.iterdir():
            if not path.resolve().is_relative_to(home):
                raise InputError(f"{path}: a link out of the folder, which is not followed")

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """A file of the folder, open for reading; no link is followed on the way to it.

        Args:
          name: its path in the folder, parts separated by ``/``.

        Raises:
          OSError, ValueError: there is no such file in the folder.
        """
        parts = name.split("/")
        if any(not part or part.startswith(".") for part in parts):  # .. and hidden ones too
            raise FileNotFoundError(name)
        with contextlib.ExitStack() as opened:

            def descend(part, kind, within=None):
                handle = os.open(part, os.O_RDONLY | os.O_NONBLOCK | kind, dir_fd=within)
                opened.callback(os.close, handle)
                return handle

            at = descend(self.folder, os.O_DIRECTORY)
            for part in parts[:-1]:
                at = descend(part, os.O_DIRECTORY | os.O_NOFOLLOW, at)
            at = descend(parts[-1], os.O_NOFOLLOW, at)
            if not stat.S_ISREG(os.fstat(at).st_mode):  # a folder, a pipe
                raise FileNotFoundError(name)
            with open(at, "rb", closefd=False) as file:
                yield file


def progress_of(run: RunFolder, *, works: bool) -> str:
    """How far a run is, in a sentence.

    Args:
      run: its folder.
      works: whether a process is at work there.
    """
    steps = [record for record in run.metrics() if "loss" in record]
    total = run.config().get("distill", {}).get("steps")
    if not steps or total is None:
        return "Running; there is no step yet." if works else ""
    done = steps[-1]["step"]
    if not works:
        rest = "" if run.results() else "; not evaluated yet: evaluate this run"
        return f"{done} of {total} steps are done{rest}."
    lately = [record["seconds"] for record in steps[-50:]]
    each = sum(lately) / len(lately)
    speed = f"{1 / each:.1f} steps a second" if 0 < each < 1 else f"{each:.1f} s a step"
    left = timedelta(seconds=round(each * (total - done)))
    return f"Running: step {done} of {total}, {speed}, {left} left, evaluations aside."


def _end_of(run):
    """The last lines of what it printed."""
    try:
        with open(run.log_path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-LOG_LINES:])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        detail(f"{client_address[0]} went away: {sys.exc_info()[1]!r}")


class _Handler(BaseHTTPRequestHandler):
    watched: Watched

    def do_GET(self):
        # A page elsewhere could have its own name lead here, and read what is answered.
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host")
        if host not in (HOST, "localhost"):
            self._answer(HTTPStatus.FORBIDDEN, page("mttjax", f"ask http://{HOST} for it"))
            return
        name = unquote(urlsplit(self.path).path).removeprefix("/")
        try:
            if name in ("", "index.html"):
                content, wait = self.watched.page()
                self._answer(HTTPStatus.OK, content, Refresh=str(wait))
                return
            with self.watched.file(name) as file:
                kind = _TYPES.get(Path(name).suffix, "application/octet-stream")
                self._begin(HTTPStatus.OK, os.fstat(file.fileno()).st_size, kind)
                if self.command != "HEAD":
                    shutil.copyfileobj(file, self.wfile)
        except ConnectionError:
            raise
        except (OSError, ValueError):
            self._answer(
                HTTPStatus.NOT_FOUND, page("mttjax", "no such file in the folder of the run")
            )

    do_HEAD = do_GET

    def _answer(self, status, content, **headers):
        self._begin(status, len(content), "text/html; charset=utf-8", **headers)
        if self.command != "HEAD":
            self.wfile.write(content)

    def _begin(self, status, size, kind, **headers):
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(size)}
        for name, value in (_HEADERS | own | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, form, *values):
        detail(form % values)
