"""Files from strangers: no pickle is loaded, nothing is written outside, bombs are refused."""

import re
from html import escape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import mttjax
from benchmarks.torture import hostile, strangers
from mttjax.config.settings import Settings
from mttjax.distilled import load_distilled, save_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.paper.cells import Cell, set_path
from mttjax.paper.table import Plan, report
from mttjax.runs.page import write_run_page
from mttjax.system.errors import InputError
from mttjax.system.files import write_json

EVIL = hostile.EVIL


def test_every_hostile_file_is_refused_or_does_no_harm():
    found = strangers.run("small", say=lambda line: None)
    assert found["faults"] == []
    assert found["tried"] == found["refused"] + found["harmless"] >= 50


def test_the_cases_tell_harm_from_harmlessness(tmp_path):
    """Calls that do what no case may do are all seen."""
    cases = {
        "got through": lambda folder: None,
        "KeyError": lambda folder: {}["x"],
        "outside": lambda folder: (folder.parent / "x").touch(),
        "command": lambda folder: (folder / strangers.calls.MARKER).touch(),
        "took": lambda folder: np.ones(2**27).sum(),
    }
    for message, action in cases.items():
        row = strangers._try(strangers.Case("harm", action, refused=message == "got through"))
        assert row["outcome"] == "fault", message
        assert message in row["message"]


def test_nothing_in_the_package_unpickles():
    forbidden = re.compile(
        r"^\s*(import|from) (pickle|cPickle|_pickle|dill|cloudpickle|joblib|marshal|shelve)\b"
        r"|pickle\.loads?\b|Unpickler|allow_pickle\s*=\s*True|np\.load\(|extractall|"
        r"\.extract\(|loadmat|yaml\.load|unpack_archive",
        re.MULTILINE,
    )
    for path in Path(mttjax.__file__).parent.rglob("*.py"):
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert not found, f"{path}: {found[0]}"


@pytest.mark.parametrize("step", [None, True, -1.5, "<b>", [[1], {"a": None}], {EVIL: EVIL}])
def test_a_page_takes_a_step_of_any_kind(tmp_path, step):
    save_distilled(tmp_path / "best.npz", hostile.distilled(settings={"step": step}))
    page = hostile.Page(write_run_page(tmp_path).read_text(encoding="utf-8"))
    assert not page.strange
    if step is not None:
        assert f"step {step}" in page.text


def test_a_page_takes_settings_that_nest_deeply(tmp_path):
    tree = {"end": 1}
    for _ in range(400):
        tree = {"deep": tree}
    write_json(tmp_path / "config.json", {"name": "x", "tree": tree})
    assert "deep.deep" in write_run_page(tmp_path).read_text(encoding="utf-8")


def test_the_page_of_a_table_escapes_every_name(tmp_path, monkeypatch):
    cell = Cell("dm", 1, 0)
    made = hostile.distilled(dataset=EVIL, class_names=(EVIL, "x"))
    save_distilled(set_path(tmp_path, cell) / "last.npz", made)
    monkeypatch.setitem(report.TITLES, "dm", EVIL)
    monkeypatch.setitem(report.ROWS, "better", EVIL)
    result = {
        "accuracies": [0.5],
        "hardware": EVIL,
        "date": EVIL,
        "versions": {"jax": EVIL},
        "peak_bytes": 1,
        "seconds": 1.0,
        "evaluation_seconds": 1.0,
        "lr": 0.1,
        "settings": {"distill": {"steps": EVIL}},
        "epochs": EVIL,
    }
    split = SimpleNamespace(labels=np.zeros(4, np.int32))
    dataset = SimpleNamespace(name=EVIL, n_classes=2, train=split, test=split)
    plan = Plan(ipcs=(1,), methods=("dm",))
    settings = Settings(name=EVIL, ops=())
    full = {"better": result}
    path = report.write_report(tmp_path, plan, settings, dataset, {cell: result}, full, EVIL)
    text = path.read_text(encoding="utf-8")
    page = hostile.Page(text)
    assert not page.strange
    assert page.text.count(EVIL) > 10
    assert text.count(escape(EVIL)) > 10


def test_a_set_larger_than_is_said_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "set.npz"
    save_distilled(path, hostile.distilled())
    monkeypatch.setattr("mttjax.distilled.files.MOST_BYTES", 2**10)
    with pytest.raises(InputError, match="more than 1024"):
        load_distilled(path)


def test_a_set_of_digits_still_finds_its_images():
    data = {"classes": [3, 5], "validation": 0.2, "resolution": None, "seed": 4}
    found = real_data_of(hostile.distilled(settings={"data": data}))
    assert found.class_names == ("3", "5")
    with pytest.raises(InputError, match="unknown dataset"):
        real_data_of(hostile.distilled(dataset="x" * 10**6))
