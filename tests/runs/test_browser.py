"""The pages in Chromium: at a desk and on a phone, light and dark, with and without JavaScript.

Takes ``chromium`` and, for axe-core, ``npm`` with a network.
"""

import shutil
import subprocess
import tarfile
import threading
import time

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from small import NAMES, scored, small_dataset, small_set

from mttjax.evaluation import Results, Row
from mttjax.reporting import page, write_page
from mttjax.reporting.blocks import Section, Table
from mttjax.runs.beside import keep_beside
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import save_results
from mttjax.runs.watching import make_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path"),
]

WIDTHS = (1280, 390)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 1200 steps with everything that a page has."""
    run = RunFolder(tmp_path_factory.mktemp("run"))
    run.begin({"name": "bright", "method": "mtt", "ipc": 2, "distill": {"steps": 1200}})
    for step in range(1, 1201):
        loss = 0.5 + 0.3 * np.sin(step) / step
        run.metrics_log.write({"step": step, "loss": loss, "lr": 0.01, "seconds": 0.1})
        if step % 200 == 0:
            score = {"mean": 0.5 + step / 4000, "std": 0.02, "networks": 3}
            run.metrics_log.write({"step": step, "evaluation": score})
    run.metrics_log.close()
    run.save("best", small_set(ipc=2, settings={"step": 800}))
    run.save("last", small_set(ipc=3, settings={"step": 1200}))
    keep_beside(run, small_dataset())
    run.save_commands({"distill": "mttjax distill --config x --run.folder y", "evaluate": "z"})
    per_class = np.array([[9, 8, 7], [5, 6, 7]])
    evaluation = scored(0.9, 0.6)._replace(correct=per_class, tested=np.array([10, 12, 14]))
    row = Row(evaluation, 0.02, 3, 2, scored(0.5))
    rows = {name: row for name in ("last", "best on validation", "random real images")}
    save_results(run.path, Results(rows, 300, NAMES, {"date": "d", "hardware": "h"}).record())
    return run


@pytest.fixture(scope="module")
def address(run):
    return (run.path / "index.html").as_uri()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """axe-core, as JavaScript."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    command = [npm, "pack", "--silent", "axe-core@4"]
    if not npm or subprocess.run(command, cwd=folder, check=False, capture_output=True).returncode:
        pytest.skip("npm cannot fetch axe-core")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


OPEN_ALL = "for (const d of document.querySelectorAll('details')) d.open = true"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_violation(browser, address, axe, width, dark):
    browser.open(address, width=width, dark=dark)
    browser.run(OPEN_ALL)
    browser.run(f"{axe};0")
    found = browser.run("axe.run()")
    assert len(found["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    assert browser.faults() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_all_is_on_the_screen(browser, address, width):
    browser.open(address, width=width)
    browser.run(OPEN_ALL)
    assert browser.run("document.documentElement.scrollWidth") <= width
    right = "e => e.getBoundingClientRect().right"
    of_all = lambda selector: browser.run(
        f"[...document.querySelectorAll('{selector}')].map({right})"
    )
    assert max(of_all(".panel, .panel svg, .bars li, img, pre")) <= width
    accuracies = of_all("section:first-of-type table:first-of-type td:nth-child(2)")
    assert accuracies
    assert max(accuracies) <= width


def test_the_curves_follow_dark_mode(browser, address):
    colours = []
    for dark in (False, True):
        browser.open(address, dark=dark)
        of = "getComputedStyle(document.querySelector('.plot .line')).stroke"
        colours.append((browser.run(of), browser.run("getComputedStyle(document.body).color")))
    assert len({*colours[0], *colours[1]}) == 4


def test_a_curve_is_read_out_and_hidden(browser, address):
    browser.open(address)
    read = "[...document.querySelectorAll('.panel output')].map(o => o.textContent)"
    assert browser.run(read) == ["", "", ""]
    browser.run(
        "(() => { const c = document.querySelector('.canvas'), b = c.getBoundingClientRect();"
        "c.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + b.width / 2})) })()"
    )
    loss, rate, accuracy = browser.run(read)
    assert float(loss) == pytest.approx(0.5, abs=0.01)
    assert (rate, accuracy) == ("0.01", "65.0 ± 2.0 %")
    slider = "document.querySelector('.slide input')"
    assert browser.run(f"{slider}.value") == "601"
    assert "accuracy on validation 65.0" in browser.run(f"{slider}.getAttribute('aria-valuetext')")
    browser.run("document.querySelectorAll('.choose input')[1].click()")
    hidden = "[...document.querySelectorAll('.panel')].map(p => p.offsetHeight === 0)"
    assert browser.run(hidden) == [False, True, False]


def test_a_table_is_sorted_by_a_click(browser, tmp_path):
    rows = [["b", "9.5 ± 1"], ["a", "60.5 ± 1"], ["d", ""], ["c", "7"]]
    content = page("t", "", [Section("s", [Table("scores", ["name", "score"], rows)])])
    browser.open(write_page(tmp_path, content).as_uri())
    names = "[...document.querySelectorAll('tbody th')].map(t => t.textContent).join('')"
    orders = []
    for column in (1, 1, 1, 0):
        browser.run(f"document.querySelectorAll('th button')[{column}].click()")
        orders.append(browser.run(names))
    assert orders == ["abcd", "cbad", "badc", "abcd"]
    sort = "[...document.querySelectorAll('thead th')].map(t => t.ariaSort).join()"
    assert browser.run(sort) == "ascending,none"


def test_the_page_is_whole_without_javascript(browser, address):
    browser.open(address, script=False)
    size = "(s => { const b = document.querySelector(s).getBoundingClientRect(); return b.height })"
    assert browser.run(f"{size}('.panel:nth-of-type(3) .line')") > 20
    assert browser.run(f"{size}('.slide')") == browser.run(f"{size}('.choose')") == 0
    assert browser.run(f"{size}('.bar')") > 5


def test_what_was_opened_stays_open_when_the_watched_page_refreshes(browser, run, monkeypatch):
    monkeypatch.setattr("mttjax.runs.watching.RESTING", 1)
    with make_server(run.path, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.open(f"http://127.0.0.1:{server.server_port}/")
            browser.run("window.before = true")
            browser.run("[...document.querySelectorAll('summary')].at(-1).click()")
            browser.run("document.querySelector('th button').click()")
            browser.run("document.querySelector('.choose input').click()")
            deadline = time.monotonic() + 30
            while browser.run("window.before || document.readyState !== 'complete'"):
                assert time.monotonic() < deadline, "it was not loaded again"
                time.sleep(0.1)
            opened = "[...document.querySelectorAll('details[open] > summary')]"
            assert browser.run(f"{opened}.map(s => s.textContent)") == ["Settings"]
            assert browser.run("document.querySelector('thead th').ariaSort") == "ascending"
            assert browser.run("document.querySelector('.panel').hidden") is True
            assert browser.faults() == []
        finally:
            browser.open("about:blank")
            server.shutdown()
            thread.join()
