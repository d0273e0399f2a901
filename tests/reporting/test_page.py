"""Tables and the page; grids and curves have modules of their own."""

import base64
import importlib.resources
import io
import json
import re
import sys

import numpy as np
import pytest
from pages import Page
from PIL import Image
from small import small_set

from mttjax.reporting import (
    images_of,
    markdown_table,
    page,
    percent,
    print_table,
    run_curves,
    save_expert_curves,
    write_page,
)
from mttjax.reporting.blocks import Bar, Bars, Code, Folded, Note, Section, SettingsList, Table
from mttjax.reporting.page import page_policy
from mttjax.system.errors import InputError
from mttjax.system.metrics import read_metrics


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


EVIL = """<script>alert("1")</script>'&"""


def page_with(text):
    """Every block that a text can be in."""
    images = images_of(small_set(class_names=(text, "bee", "cat")), text)
    blocks = [
        Note(f"{text}\n\nsecond {text}"),
        Table(text, [text, "b"], [[text, text]]),
        Bars(text, [Bar(text, 0.5, 0.1)]),
        images,
        run_curves([{"step": 1, "loss": 0.5}], loss=text),
        Folded(text, [Code(text, text)]),
        SettingsList({text: {text: [text]}, "empty": {}, "none": None}),
        Section(text, [Note(text)]),
    ]
    return page(text, text, [Section(text, blocks)]).decode()


def test_a_page_is_escaped_and_refers_to_nothing_outside():
    text = page_with(EVIL)
    found = Page(text)
    assert found.text.count(EVIL) >= 14
    assert not {"link", "iframe", "object", "base", "form"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert all(source.startswith("data:image/png;base64,") for source in found.of("src"))
    assert all(target.startswith("#part-") for target in found.of("href"))
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text


def test_the_one_script_that_runs_is_the_pages_own():
    text = page_with(EVIL)
    scripts = re.findall(r"<script(.*?)>(.*?)</script>", text, re.DOTALL)
    kinds = [kind for kind, _ in scripts]
    assert sorted(kinds) == ["", ' type="application/json"']
    assert json.loads(dict(scripts)[' type="application/json"'])[0] == [[1, 0, 50.0, "0.5"]]
    assert "script-src 'sha256-" in page_policy()
    assert Page(text).of("content")[2] == page_policy()


def test_settings_are_there_by_their_dotted_names():
    assert "plain.plain" in Page(page_with("plain")).text


def test_a_page_of_the_least_is_a_page(tmp_path):
    path = write_page(tmp_path / "new" / "folder", page("Empty", "", [Section("Nothing", [])]))
    found = Page(path.read_text(encoding="utf-8"))
    assert path.name == "index.html"
    assert found.text == "Empty Empty"
    assert not {"table", "details", "pre", "img", "nav"} & set(found.tags)


def test_a_ragged_table_is_refused_on_a_page_too():
    with pytest.raises(InputError, match="row 1 of a table has 1 values for 2 columns"):
        page("t", "", [Section("s", [Table("t", ["a", "b"], [["a"]])])])


def test_the_package_has_the_templates():
    templates = importlib.resources.files("mttjax.reporting") / "templates"
    names = {"page.html", "blocks.html", "page.css", "page.js"}
    assert {template.name for template in templates.iterdir()} == names


# --- images --------------------------------------------------------------------------------------


def pixels(address):
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_a_picture_has_the_images_own_pixels_and_a_whole_number_of_times_its_size():
    made = small_set(ipc=2)
    real = {0: np.full((8, 8, 1), 7, np.uint8)}
    images = images_of(made, "seen.", real=real)
    first, second = images.classes[0].made
    assert (pixels(first) == made.pixels()[0, ..., 0]).all()
    assert (pixels(second) == made.pixels()[1, ..., 0]).all()
    assert (pixels(images.classes[0].real) == 7).all()
    assert [of_class.real != "" for of_class in images.classes] == [True, False, False]
    assert (images.width, images.height, images.caption) == (64, 64, "seen.")


def test_what_is_not_shown_is_said():
    images = images_of(small_set(ipc=12), "seen.")
    assert images.caption == "seen. 10 of 12 images of each class."
    assert {len(of_class.made) for of_class in images.classes} == {10}
    many = small_set(
        images=np.zeros((300, 8, 8, 1), np.float32),
        labels=np.eye(300, dtype=np.float32),
        class_names=tuple(map(str, range(300))),
    )
    images = images_of(many, "seen.")
    assert images.caption == "seen. 200 of 300 classes."
    assert len(images.classes) == 200


def test_every_picture_says_what_it_is():
    real = {k: np.zeros((8, 8, 1), np.uint8) for k in range(3)}
    shown = [images_of(small_set(ipc=2), "seen", real=real)]
    alts = Page(page("t", "", [Section("s", shown)]).decode()).of("alt")
    assert alts[:3] == ["a real image of ant", *(f"distilled image {i} of ant" for i in (1, 2))]
    assert len(alts) == 9
