"""Curves, tables and the page; the grids have a module of their own."""

import base64
import io
import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mttjax.reporting import (
    markdown_table,
    percent,
    print_table,
    save_curves,
    save_expert_curves,
    save_grid,
    write_page,
)
from mttjax.reporting.curves import _draw_evaluations
from mttjax.system.errors import InputError
from mttjax.system.metrics import read_metrics

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_metrics(path, steps, tail=""):
    lines = []
    for step in range(1, steps + 1):
        loss = 1 / step if step != 5 else float("nan")
        lines.append({"step": step, "loss": loss, "lr": 0.01 * step, "seconds": 0.1, "skipped": 0})
        if step % 10 == 0:
            evaluation = {"mean": 0.8, "std": 0.01, "networks": 3}
            lines.append({"step": step, "evaluation": evaluation})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + tail)


def test_metrics_are_read_but_for_a_last_line_that_a_kill_cut_off(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_metrics(path, 10, tail='{"step": 11, "lo')
    records = read_metrics(path)
    assert [r["step"] for r in records] == [*range(1, 11), 10]
    assert records[-1]["evaluation"]["mean"] == 0.8


@pytest.mark.parametrize("line", ['{"step": 1, "lo', "[1]", '{"loss": 1}', '{"step": "one"}'])
def test_a_broken_line_before_the_last_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 0}}\n{line}\n{{"step": 2}}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl: line 2"):
        read_metrics(path)
    with pytest.raises(InputError, match=r"none\.jsonl"):
        read_metrics(tmp_path / "none.jsonl")


DIVERGED = '{"step": 1, "loss": NaN, "lr": 0.0, "seconds": NaN}\n'


@pytest.mark.parametrize(("steps", "tail"), [(0, ""), (1, ""), (90, '{"st'), (0, 3 * DIVERGED)])
def test_curves_are_drawn_however_long_the_run(tmp_path, steps, tail):
    path = tmp_path / "metrics.jsonl"
    write_metrics(path, steps, tail)
    assert read(save_curves(tmp_path / "a.png", path)).shape[1] > 1000


def test_without_a_learned_rate_there_is_no_panel_of_it(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write_metrics(path, 20)
    four = read(save_curves(tmp_path / "a.png", path))
    three = read(save_curves(tmp_path / "b.png", path, rate_title=None))
    assert (three.shape[0] * 2, three.shape[1]) == four.shape[:2]


@pytest.mark.parametrize(("name", "best"), [("evaluation", 3), ("test", 1)])
def test_the_best_of_equal_evaluations_is_that_of_the_loop(name, best):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    scores = [0.7, 0.85, 0.8, 0.85, 0.6]
    records = [{"step": i, name: {"mean": m, "std": 0}} for i, m in enumerate(scores)]
    _draw_evaluations(axes, records)
    assert [text.get_text() for text in axes.texts] == [f"best 85.0 at step {best}"]
    assert axes.get_title().startswith("validation" if best == 3 else "test")


def test_equal_metrics_give_equal_curves_without_pyplot(tmp_path):
    path, modules = tmp_path / "metrics.jsonl", set(sys.modules)
    write_metrics(path, 20)
    a, b = (save_curves(tmp_path / name, path) for name in ("a.png", "b.png"))
    assert a.read_bytes() == b.read_bytes()
    assert "matplotlib.pyplot" not in set(sys.modules) - modules


def test_expert_curves(tmp_path):
    curves = [{epoch: 0.1 * epoch for epoch in range(1, longest)} for longest in (5, 3)]
    assert read(save_expert_curves(tmp_path / "e.png", curves)).size
    for empty in ([], [{}]):
        with pytest.raises(InputError, match="train_experts"):
            save_expert_curves(tmp_path / "e.png", empty)


def test_percent():
    assert percent(0.8134, 0.0041) == "81.3 ± 0.4"
    assert percent(1) == "100.0"


def test_a_markdown_table():
    assert markdown_table(["method", "10"], [["MTT", "65.3 ± 0.7"], ["a|b\nc", 7]]) == (
        "| method |         10 |\n"
        "| :----- | ---------: |\n"
        "| MTT    | 65.3 ± 0.7 |\n"
        "| a\\|b c |          7 |"
    )
    assert markdown_table(["a"], []) == "| a   |\n| :-- |"


@pytest.mark.parametrize("rows", [[["a"]], [["a", "b"], ["a", "b", "c"]]])
def test_a_ragged_table_is_refused(rows):
    for table in (markdown_table, lambda h, r: print_table("t", h, r)):
        with pytest.raises(InputError, match=f"row {len(rows)} .* 2 columns"):
            table(["x", "y"], rows)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_printed_table_takes_values_for_text_and_is_plain_without_a_terminal(
    terminal, capsys, monkeypatch
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    print_table("Accuracy", ["method", "10"], [["[red]MTT[/red]", 1]])
    printed = capsys.readouterr().out
    assert "[red]MTT[/red]" in printed
    assert printed.startswith("Accuracy\n\n| method") != terminal


class Page(HTMLParser):
    """The tags and the attributes of a page, checked to be well nested."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words, self._open = [], [], [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


EVIL = """<script>alert("1")</script>'&"""


def page_with(folder, text, figures=()):
    return write_page(
        folder,
        title=text,
        summary=f"{text}\n\nsecond {text}",
        tables=[(text, [text, "b"], [[text, text]])],
        figures=[*figures, (folder / f"{text[:2]}.png", text)],
        settings={text: {text: [text]}, "empty": {}, "none": None},
        command=text,
    )


def test_a_page_is_escaped_and_refers_to_nothing_outside(tmp_path):
    grid = save_grid(tmp_path / "g.png", IMAGES, np.arange(4), "abcd")
    text = page_with(tmp_path, EVIL, [(grid, EVIL)]).read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe", "a"} & set(page.tags)
    assert "".join(page.words).count(EVIL) >= 10
    names = {name for name, _ in page.attributes}
    assert not [n for n in names if n.startswith("on")]
    assert all(v.startswith("data:image/png;base64,") for n, v in page.attributes if n == "src")
    assert "href" not in names
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text


def test_a_page_holds_its_figures_whole_and_notes_missing_ones(tmp_path):
    grid = save_grid(tmp_path / "g.png", IMAGES, np.arange(4), "abcd")
    (tmp_path / "broken.png").write_text("no image")
    figures = [(grid, "the grid"), (tmp_path / "broken.png", "broken")]
    text = page_with(tmp_path, "plain", figures).read_text(encoding="utf-8")
    sources = [v for n, v in Page(text).attributes if n == "src"]
    assert len(sources) == 1
    data = base64.b64decode(sources[0].split(",")[1])
    assert data == grid.read_bytes()
    assert Image.open(io.BytesIO(data)).format == "PNG"
    assert 'class="crisp"' in text
    assert "broken.png" in text
    assert "pl.png is not there" in text
    assert "plain.plain" in text, "settings by dotted name"


def test_a_page_of_the_least_is_a_page(tmp_path):
    nothing = {"summary": "", "tables": [], "figures": [], "settings": {}, "command": ""}
    path = write_page(tmp_path / "new" / "folder", title="Empty", **nothing)
    page = Page(path.read_text(encoding="utf-8"))
    assert path.name == "index.html"
    assert not {"table", "details", "pre", "img"} & set(page.tags)
