"""The server of a run's page: what it shows, and what it never gives away."""

import html
import http.client
import json
import os
import socket
import threading

import pytest
from pages import Page
from small import small_set

from mttjax.runs.folder import RunFolder
from mttjax.runs.watching import Watched, make_server, progress_of
from mttjax.system.errors import InputError
from mttjax.system.locks import at_work, exclusive


@pytest.fixture
def run(tmp_path):
    """A run of 10 steps that was stopped after 2."""
    run = RunFolder(tmp_path / "run")
    run.save("last", small_set())
    (run.path / "config.json").write_text('{"method": "mtt", "ipc": 1, "distill": {"steps": 10}}')
    for step in (1, 2):
        run.metrics_log.write({"step": step, "loss": 0.5, "lr": 0.1, "seconds": 0.25})
    run.metrics_log.close()
    run.log_path.write_text("2026  step <2>\n")
    return run


@pytest.fixture
def get(run):
    """``get(path)`` -> (status, headers, body) of a server of the run."""
    with make_server(run.path, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def ask(path, host="127.0.0.1", method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", f"{host}:{server.server_port}")
            connection.endheaders()
            answer = connection.getresponse()
            status, headers, body = answer.status, answer.headers, answer.read()
            connection.close()
            return status, headers, body

        ask.server = server
        yield ask
        server.shutdown()
        thread.join()


def written(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


# --- what is shown -------------------------------------------------------------------------------


def test_the_page_says_how_far_the_run_is_and_writes_nothing_there(run, get):
    before = written(run.path)
    status, headers, body = get("/")
    assert status == 200
    assert headers["Refresh"] == "60"
    assert headers["Cache-Control"] == "no-store"
    text = Page(body.decode()).text
    assert "2 of 10 steps are done; not evaluated yet" in text
    assert "2026 step <2>" in text
    assert text.index("Trajectory loss, learned rate") < text.index("Shown as pixels")
    assert headers["Content-Security-Policy"] in html.unescape(body.decode())
    assert written(run.path) == before


def test_while_a_process_works_there_the_page_is_drawn_anew(run, get):
    with exclusive(run.path):
        status, headers, body = get("/")
        assert (status, int(headers["Refresh"]) < 60) == (200, True)
        assert b"Running: step 2 of 10, 4.0 steps a second, 0:00:02 left" in body
    get.server.RequestHandlerClass.watched._at = -1e9  # drawn long ago
    assert b"2 of 10 steps are done" in get("/index.html")[2]


def test_nothing_is_drawn_twice_of_the_same_files_or_faster_than_it_pays(run):
    watched, drawn = Watched(run.path), []
    watched._draw = lambda works: drawn.append(works) or b"page"
    assert [watched.page() for _ in range(3)] == [(b"page", 60)] * 3
    run.log_path.write_text("more\n")
    assert watched.page() == (b"page", 5)
    assert drawn == [False]
    watched._at = -1e9
    watched.page()
    assert drawn == [False, False]


def test_a_run_that_has_not_begun_and_one_that_is_damaged_have_a_page(run, get):
    (run.path / "config.json").write_text("{")
    status, _, body = get("/")
    assert status == 200
    assert b"the file is damaged" in body
    assert progress_of(RunFolder(run.path.parent), works=True) == "Running; there is no step yet."
    assert progress_of(RunFolder(run.path.parent), works=False) == ""


def test_a_holder_that_was_killed_is_not_at_work(tmp_path):
    with exclusive(tmp_path):
        assert at_work(tmp_path)
        holder = (tmp_path / ".holder").read_text()
    assert not at_work(tmp_path)
    (tmp_path / ".holder").write_text(holder.replace(str(os.getpid()), str(2**22 + 1)))
    assert not at_work(tmp_path)


# --- what is given -------------------------------------------------------------------------------


def test_files_of_the_folder_are_had_and_none_of_them_is_run(run, get):
    (run.path / "grids").mkdir()
    (run.path / "grids/a.png").write_bytes(b"png")
    (run.path / "a page.html").write_text("<script>")
    found = {p: get(p) for p in ("/log.txt", "/grids/a.png", "/a%20page.html", "/last.npz")}
    assert {p: (s, h["Content-Type"]) for p, (s, h, _) in found.items()} == {
        "/log.txt": (200, "text/plain; charset=utf-8"),
        "/grids/a.png": (200, "image/png"),
        "/a%20page.html": (200, "application/octet-stream"),
        "/last.npz": (200, "application/octet-stream"),
    }
    assert found["/last.npz"][2] == run.set_path("last").read_bytes()
    assert all(h["X-Content-Type-Options"] == "nosniff" for _, h, _ in found.values())
    assert get("/log.txt", method="HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        *("/../secret", "/%2e%2e/secret", "/grids/../../secret", "//secret", "/..%2fsecret"),
        *("/link", "/folder/secret", "/folder/../secret", "/inside", "/pipe", "/grids", "/grids/"),
        *("/.lock", "/%00", "/nothing", "/" + "a" * 5000, "/%ff%fe", "/log.txt/", "/log.txt/x"),
    ],
)
def test_nothing_outside_the_folder_is_had(run, get, path):
    secret = run.path.parent / "secret"
    secret.write_text("SECRET")
    (run.path / "grids").mkdir()
    (run.path / "link").symlink_to(secret)
    (run.path / "folder").symlink_to(run.path.parent)
    (run.path / "inside").symlink_to(run.log_path)
    os.mkfifo(run.path / "pipe")
    (run.path / ".lock").write_text("SECRET")
    status, _, body = get(path)
    assert status == 404
    assert b"SECRET" not in body
    assert str(run.path).encode() not in body


@pytest.mark.parametrize("name", ["config.json", "results.json", "best.npz", "log.txt"])
def test_the_page_is_made_of_nothing_outside_the_folder(run, get, name):
    secret = run.path.parent / "secret"
    secret.write_text(json.dumps({"SECRET": 1}))
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).symlink_to(secret)
    body = get("/")[2]
    assert b"a link out of the folder" in body
    assert b"SECRET" not in body


@pytest.mark.parametrize("host", ["evil.example", "0.0.0.0", ""])
def test_a_page_elsewhere_cannot_read_it_under_its_own_name(get, host):
    status, _, body = get("/", host=host)
    assert status == 403
    assert b"digits" not in body
    assert get("/", host="localhost")[0] == 200


def test_it_listens_on_this_machine_alone(get):
    assert get.server.server_address[0] == "127.0.0.1"
    for method in ("POST", "PUT", "DELETE"):
        assert get("/", method=method)[0] == 501


def test_a_port_that_is_taken_and_a_folder_that_is_not_there_are_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = pytest.raises(InputError, match=f"port is {port}: .*give another")
        with said, make_server(tmp_path, port):
            pass
    with pytest.raises(InputError, match="port is 70000"), make_server(tmp_path, 70000):
        pass
    with pytest.raises(InputError, match="no such folder"), make_server(tmp_path / "a", 0):
        pass
