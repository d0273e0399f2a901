"""The table on digits: cells are kept, resumed and pooled; what it writes; full data."""

import contextlib
import csv
import re
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tyro

from mttjax.cli.table import TableOptions
from mttjax.config.methods import TITLES
from mttjax.config.protocol import Protocol
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore
from mttjax.paper.cells import CellResult, check_cells
from mttjax.paper.table.full_data import train_better
from mttjax.paper.table.plan import PROTOCOLS, Cell, FullData, Plan
from mttjax.paper.table.report import Report
from mttjax.paper.table.table import compare
from mttjax.runs.folder import RunFolder
from mttjax.runs.problem import load_data, prepare
from mttjax.system import units
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.findings import Findings
from mttjax.system.locks import exclusive
from mttjax.system.units import Incomplete

METHODS = ("random", "herding", "forgetting", "dm", "mtt")
PLAN = Plan((2,), METHODS, "short", networks=2, draws=2, full_data=FullData(networks=2, epochs=2))


@pytest.fixture(scope="module")
def made(preset, tmp_path_factory):
    """A table, its short protocol made very short."""
    folder = tmp_path_factory.mktemp("table")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "short", Protocol(epochs=10))
        compare(preset, PLAN, folder, command="bin/table --config tiny", log=lambda line: None)
        yield folder


def cells(folder):
    paths = sorted((folder / "cells" / "short").glob("*.json"))
    return {path.stem: read_json(path)["result"] for path in paths}


def test_every_method_has_a_cell_at_every_size_and_random_several(made):
    names = {f"{method}-ipc2-seed0" for method in METHODS}
    assert set(cells(made)) == names | {"random-ipc2-seed1"}
    assert all(len(cell["accuracies"]) == 2 for cell in cells(made).values())
    first, second = (cells(made)[f"random-ipc2-seed{i}"]["accuracies"] for i in (0, 1))
    assert first != second


def test_the_csv_pools_the_networks_of_all_draws(made):
    with open(made / "table.csv", newline="") as file:
        rows = {(row["method"], row["ipc"]): row for row in csv.DictReader(file)}
    pooled = [a for i in (0, 1) for a in cells(made)[f"random-ipc2-seed{i}"]["accuracies"]]
    row = rows["random", "2"]
    assert float(row["mean"]) == pytest.approx(np.mean(pooled))
    assert float(row["std"]) == pytest.approx(np.std(pooled))
    assert (row["networks"], row["sets"], row["steps"]) == ("4", "2", "")
    assert rows["mtt", "2"]["steps"] == "4"
    better = read_json(made / "full_data" / "result.json")["result"]["accuracies"]
    assert float(rows["full_better", ""]["mean"]) == pytest.approx(np.mean(better))
    assert rows["full_experts", ""]["networks"] == "4"


def test_the_csv_and_the_page_have_every_class_and_balanced_accuracy_is_beside_where_it_differs(
    made, settings
):
    """The digits' test set has from 33 to 38 images of a class."""
    labels = load_data(settings).test.labels
    with open(made / "table.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    dm, tested = cells(made)["dm-ipc2-seed0"], np.bincount(labels)
    assert dm["tested"] == tested.tolist()
    shares = np.array(dm["correct"]) / tested
    assert float(rows["dm"]["balanced_mean"]) == pytest.approx(shares.mean())
    assert float(rows["dm"]["balanced_std"]) == pytest.approx(shares.mean(axis=1).std())
    assert float(rows["dm"]["accuracy of 7"]) == pytest.approx(shares.mean(axis=0)[7])
    assert rows["dm"]["own_way_mean"] == rows["full_better"]["balanced_mean"] == ""
    balanced = f"{100 * shares.mean():.1f} ± {100 * shares.mean(axis=1).std():.1f}"
    text, page = ((made / name).read_text() for name in ("table.md", "index.html"))
    assert balanced in text
    assert "balanced, %" in text
    assert "Accuracy of each class, 2 per class, %" in page
    assert "Accuracy of each class" not in text
    assert "own way" not in text


def test_dds_own_way_has_a_column_and_a_balanced_test_set_none(made, settings, tmp_path):
    folder, dataset = shutil.copytree(made, tmp_path / "table"), load_data(settings)
    results = {
        Cell(method, 2, 0): CellResult(**cells(made)[f"{method}-ipc2-seed0"])._replace(
            tested=[36] * 10, own_way=own
        )
        for method, own in (("dm", [0.5, 0.7]), ("random", []))
    }
    Report(folder, replace(PLAN, methods=("dm", "random")), settings, dataset, "", results).write()
    text = (folder / "table.md").read_text()
    assert "Own way: fresh networks after DD's own steps alone" in text
    assert "balanced" not in text
    cells_of = lambda line: [cell.strip() for cell in line.split("|")]
    lines = [cells_of(line) for line in text.splitlines() if line.startswith("| ")]
    overview = {cells[1]: cells[3] for cells in lines[:5] if ":--" not in cells[1]}
    ratio = "ratio, % of the training images"
    assert overview == {"method": "own way", ratio: "", "Random": "", "DM": "60.0 ± 10.0"}
    with open(folder / "table.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert float(rows["dm"]["own_way_mean"]) == pytest.approx(0.6)
    assert rows["random"]["own_way_mean"] == ""


def test_the_tables_are_in_the_papers_order_and_end_with_full_data(made):
    text = (made / "table.md").read_text()
    names = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    overview = names[names.index("Random") : names.index("Full data, trained better") + 1]
    methods = ["Random", "Herding", "Forgetting", "DM", "MTT"]
    assert overview == [*methods, "Full data, experts' recipe", "Full data, trained better"]
    assert "bin/table --config tiny" in text
    assert "3 of 20000" in text  # DM's steps
    assert "Published figures" not in text  # there are none for digits


def test_every_size_and_method_has_a_heading_on_the_page(made):
    page = (made / "index.html").read_text()
    assert "<h2>2 images per class</h2>" in page
    names = [*map(TITLES.get, METHODS)]
    assert all(f"<h3>{name}, 2 per class</h3>" in page for name in names)
    assert page.count('class="images"') == len(METHODS)
    assert page.count('<span class="what">real</span>') == 10 * 2, "beside DM and MTT"
    bars = re.findall(r'<li( class="real")?>\n<span class="name">(.*?)<', page)
    full = ["Full data, experts&#39; recipe", "Full data, trained better"]
    assert [name for _, name in bars] == [*names, *full]
    assert [name for real, name in bars if not real] == ["DM", "MTT"]


def test_a_cells_set_says_how_it_was_made_and_selections_are_real_images(made, settings):
    distilled = load_distilled(made / "sets" / "herding-ipc2-seed0" / "last.npz")
    assert distilled.settings["method"] == "herding"
    chosen = distilled.settings["chosen"]
    train = load_data(settings).train
    np.testing.assert_array_equal(distilled.images, distilled.preprocessing(train.images[chosen]))
    np.testing.assert_array_equal(train.labels[chosen], np.repeat(np.arange(10), 2))


def test_cells_that_are_there_are_not_made_again(made, preset):
    kept = [p for kind in ("json", "npz") for p in made.rglob(f"*.{kind}")]
    kept = {p: p.stat().st_mtime_ns for p in kept if p.name != "config.json"}
    lines = []
    compare(preset, PLAN, made, log=lines.append)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    read, *cells = lines
    assert read.startswith("digits: 10 classes")
    assert len(cells) == 6
    assert all("%, measured on 20" in line for line in cells)


def test_a_killed_table_goes_on_to_the_same_accuracies(made, preset, tmp_path):
    """It dies in MTT's run, after another cell's result has been lost and a third damaged."""
    folder = shutil.copytree(made, tmp_path / "table")
    lost, killed, damaged = (
        folder / "cells" / "short" / f"{method}-ipc2-seed0.json"
        for method in ("dm", "mtt", "random")
    )
    lost.unlink()
    killed.unlink()
    damaged.write_text(damaged.read_text().replace("0.", "1.", 1))
    shutil.rmtree(folder / "sets" / "mtt-ipc2-seed0")
    check_cells(folder, findings := Findings())
    assert (findings.removable, len(findings.faults)) == ([damaged], 1)

    def die(line):
        if line.startswith("mtt-ipc2-seed0: the step compiled"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        compare(preset, PLAN, folder, log=die)
    assert not killed.exists()
    compare(preset, PLAN, folder, log=lambda line: None)
    accuracies = lambda folder: {n: c["accuracies"] for n, c in cells(folder).items()}
    assert accuracies(folder) == accuracies(made)
    check_cells(folder, findings := Findings())
    assert not findings.faults


ONE = Plan((2,), ("random",), "short", networks=1, draws=2, full=False)


@pytest.mark.parametrize("held", ["sets", "cells/short"])
def test_a_cell_that_another_process_makes_is_waited_for(preset, tmp_path, held):
    """The others come first; it is taken when the other process is done with it."""
    with contextlib.ExitStack() as other, pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "short", Protocol(epochs=2))
        patch.setattr(units, "PAUSE", 0)
        other.enter_context(exclusive(tmp_path / held / "random-ipc2-seed0"))
        lines = []

        def log(line):
            lines.append(line)
            if "waiting for another process" in line:
                other.close()

        compare(preset, ONE, tmp_path, log=log)
    found = [line for line in lines if line.startswith("random-ipc2-seed0: waiting")]
    assert len(found) == 1
    assert lines.index(found[0]) > next(i for i, x in enumerate(lines) if "seed1: " in x)
    assert sorted(path.name for path in (tmp_path / "cells" / "short").iterdir()) == [
        "random-ipc2-seed0.json",
        "random-ipc2-seed1.json",
    ]


def test_a_cell_that_cannot_be_made_does_not_end_the_others_and_a_look_says_so(preset, tmp_path):
    change = lambda settings: replace(
        settings, experts=replace(settings.experts, folder=str(tmp_path / "none"))
    )
    plan, folder, lines = replace(ONE, methods=("mtt", "random")), tmp_path / "table", []
    look = partial(compare, preset, plan, folder, change, log=lines.append, only_look=True)
    look()
    assert lines[1:] == [f"{name}-ipc2-seed{n}: missing" for name, n in NAMES]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "short", Protocol(epochs=2))
        with pytest.raises(Incomplete, match=r"1 of 3 failed.*\n  mtt-ipc2-seed0: .*no experts"):
            compare(preset, plan, folder, change, log=lambda line: None)
        assert "Random" in (folder / "table.md").read_text()
        lines.clear()
        look()
    assert lines[1].startswith("random-ipc2-seed0: ")
    assert "%, measured on" in lines[2]
    assert lines[3].startswith("mtt-ipc2-seed0: failed: ")


NAMES = (("random", 0), ("random", 1), ("mtt", 0))


def test_a_table_beside_experts_of_another_recipe_is_refused_at_once(preset, tmp_path):
    change = lambda settings: replace(settings, ops=())
    with pytest.raises(InputError, match="recipe"):
        compare(preset, replace(PLAN, methods=("random",)), tmp_path, change)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def problem(preset):
    return prepare(preset.settings(2, "random"), log=lambda line: None)


def test_full_data_goes_on_after_a_kill(made, problem, tmp_path):
    whole = read_json(made / "full_data" / "result.json")["result"]
    assert len(set(whole["accuracies"])) == 2
    folder = shutil.copytree(made / "full_data", tmp_path / "full_data")
    (folder / "result.json").unlink()
    (damaged,) = folder.glob("*/network-1.npz")
    damaged.write_bytes(damaged.read_bytes()[:-9])
    lines = []
    again = train_better(problem, PLAN.full_data, tmp_path, log=lines.append)
    assert again.accuracies == whole["accuracies"]
    assert "trained again from the beginning" in lines[0]


def test_full_data_of_another_recipe_is_not_taken_for_this_one(made, problem, tmp_path):
    shutil.copytree(made / "full_data", tmp_path / "full_data")
    less = replace(PLAN.full_data, epochs=1, networks=1)
    few, alone = (
        train_better(problem, less, place, log=lambda line: None)
        for place in (tmp_path, tmp_path / "alone")
    )
    assert few.accuracies == alone.accuracies


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("mtt", "magic")}, "method is 'magic'"),
        ({"methods": ()}, "at least one method"),
        ({"protocol": "long"}, "protocol is 'long'"),
        ({"draws": 0}, "draws is 0"),
        ({"ipc": (0,)}, "ipc is 0"),
    ],
)
def test_no_plan_can_be_made_of_what_no_table_can_hold(change, message):
    with pytest.raises(InputError, match=message):
        replace(PLAN, **change)


def test_a_table_under_the_papers_protocol_trains_on_all_images(preset, tmp_path):
    """No validation split, and of every run the set that was best on test."""
    rows = {
        "dm": {1: preset.methods["dm"][1] | {"evaluate_every": 1, "validation": Protocol(1, 2)}}
    }
    plan = Plan((2,), ("random", "dm"), networks=1, draws=1, kind="best_on_test", full=False)
    options = ["--config", "x", "--data.validation", "0", "--experts", str(tmp_path / "none")]
    given = tyro.cli(TableOptions, args=options)
    change = partial(given.change, usual=given.network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "paper", Protocol(epochs=2))
        compare(preset._replace(methods=rows), plan, tmp_path, change, log=lambda line: None)
    run = RunFolder(tmp_path / "sets" / "dm-ipc2-seed0")
    assert run.config()["data"]["validation"] == 0
    assert not run.set_path("best").exists()
    best = run.load("best_on_test").settings["step"]
    scores = {line["step"]: line["test"]["mean"] for line in run.metrics() if "test" in line}
    assert scores[best] == max(scores.values())
    assert set(scores) == {0, 1, 2, 3}


def test_a_size_that_a_class_is_too_small_for_is_refused_before_the_first_cell(preset, tmp_path):
    plan = Plan((2, 200), ("random",), networks=1, full=False)
    with pytest.raises(InputError, match=r"ipc is 200: class \d has \d+ training images"):
        compare(preset, plan, tmp_path, log=lambda line: None)
    assert not (tmp_path / "cells").exists()


def test_the_experts_row_is_left_out_where_they_were_tested_on_other_images(
    preset, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(ExpertStore, "tested_on", lambda store, dataset: False)
    lines, plan = [], Plan((2,), ("random",), "short", networks=1, draws=1, full=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROTOCOLS, "short", Protocol(epochs=2))
        compare(preset, plan, tmp_path, log=lines.append)
    assert any("tested on other images" in line for line in lines)
    assert "experts' recipe" not in (tmp_path / "table.md").read_text()
