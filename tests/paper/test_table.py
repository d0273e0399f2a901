"""The table on digits: cells are kept, resumed and pooled; what it writes; full data."""

import csv
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mttjax import cli
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.distilled import load_distilled
from mttjax.paper.table import Plan, compare
from mttjax.paper.table.full_data import FullData
from mttjax.paper.table.published import published_figure, published_protocols
from mttjax.runs.workflows import run_experts
from mttjax.system.errors import InputError

NONE = Protocol(networks=0)
METHODS = ("random", "herding", "forgetting", "dm", "mtt")
PLAN = Plan(
    ipcs=(2,),
    methods=METHODS,
    protocol="short",
    networks=2,
    draws=2,
    full=FullData(networks=2, epochs=2),
)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A tiny preset with its experts trained."""
    folder = str(tmp_path_factory.mktemp("experts"))

    def get_config(ipc=1):
        return Settings(
            name="tiny",
            ipc=ipc,
            ops=("cutout",),
            data=Data(dataset="digits"),
            network=NetworkSpec(depth=1, width=4),
            experts=Experts(count=2, batch=64, folder=folder),
            distill=Distill(
                student_steps=3,
                expert_epochs=1,
                max_start=2,
                lr_img=30,
                lr_lr=0.1,
                lr=0.05,
                steps=4,
                evaluate_every=0,
                validation=NONE,
            ),
        )

    rows = {"dm": {1: {"steps": 3, "real_batch": 16, "evaluate_every": 0, "validation": NONE}}}
    run_experts(get_config(), log=lambda line: None)
    return SimpleNamespace(get_config=get_config, IPCS=(1,), METHODS=rows)


@pytest.fixture(scope="module")
def short():
    """The short protocol made very short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(compare.__globals__["PROTOCOLS"], "short", Protocol(epochs=10))
        yield


@pytest.fixture(scope="module")
def made(preset, short, tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    compare(preset, PLAN, folder, command="bin/table --config tiny", log=lambda line: None)
    return folder


def cells(folder):
    paths = sorted((folder / "cells" / "short").glob("*.json"))
    return {path.stem: json.loads(path.read_text()) for path in paths}


def rows(folder):
    with open(folder / "table.csv", newline="") as file:
        return {(row["method"], row["ipc"]): row for row in csv.DictReader(file)}


def test_every_method_has_a_cell_at_every_size_and_random_several(made):
    names = {f"{method}-ipc2-seed0" for method in METHODS}
    assert set(cells(made)) == names | {"random-ipc2-seed1"}
    assert all(len(cell["accuracies"]) == 2 for cell in cells(made).values())
    first, second = (cells(made)[f"random-ipc2-seed{i}"]["accuracies"] for i in (0, 1))
    assert first != second


def test_the_csv_pools_the_networks_of_all_draws(made):
    pooled = [a for i in (0, 1) for a in cells(made)[f"random-ipc2-seed{i}"]["accuracies"]]
    row = rows(made)["random", "2"]
    assert float(row["mean"]) == pytest.approx(np.mean(pooled))
    assert float(row["std"]) == pytest.approx(np.std(pooled))
    assert (row["networks"], row["sets"]) == ("4", "2")


def test_the_tables_are_in_the_papers_order_and_end_with_full_data(made):
    text = (made / "table.md").read_text()
    names = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    overview = names[: names.index("Full data, trained better") + 1]
    assert overview[overview.index("Random") :] == [
        "Random",
        "Herding",
        "Forgetting",
        "DM",
        "MTT",
        "Full data, experts' recipe",
        "Full data, trained better",
    ]
    assert "bin/table --config tiny" in text
    assert "Published figures" not in text  # there are none for digits
    page = (made / "index.html").read_text()
    assert page.count("<figure>") == len(METHODS)


def test_a_cells_set_says_how_it_was_made_and_selections_are_real_images(made, preset):
    distilled = load_distilled(made / "sets" / "herding-ipc2-seed0" / "last.npz")
    assert distilled.settings["method"] == "herding"
    assert len(distilled.settings["chosen"]) == 20
    from mttjax.runs.workflows import load_data

    train = load_data(preset.get_config()).train
    real = distilled.preprocessing(train.images[distilled.settings["chosen"]])
    np.testing.assert_array_equal(distilled.images, real)
    np.testing.assert_array_equal(train.labels[distilled.settings["chosen"]], distilled.classes)


def test_cells_that_are_there_are_not_made_again(made, preset, short):
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*") if p.suffix in (".json", ".npz")}
    lines = []
    compare(preset, PLAN, made, log=lines.append)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert len(lines) == 6
    assert all("there already" in line for line in lines)


def test_a_killed_table_goes_on_to_the_same_accuracies(made, preset, short, tmp_path):
    """The table dies in MTT's run, after another cell's result has been lost."""
    folder = shutil.copytree(made, tmp_path / "table")
    for name in ("dm-ipc2-seed0", "mtt-ipc2-seed0"):
        (folder / "cells" / "short" / f"{name}.json").unlink()
    shutil.rmtree(folder / "sets" / "mtt-ipc2-seed0")

    def die(line):
        if line.startswith("mtt-ipc2-seed0: the step compiled"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        compare(preset, PLAN, folder, log=die)
    assert "mtt-ipc2-seed0" not in cells(folder)
    compare(preset, PLAN, folder, log=lambda line: None)
    accuracies = lambda folder: {n: c["accuracies"] for n, c in cells(folder).items()}
    assert accuracies(folder) == accuracies(made)


def test_full_data_goes_on_after_a_kill(made, preset, tmp_path):
    from mttjax.paper.table.full_data import train_better
    from mttjax.runs.workflows import load_data, preprocessing_of

    settings = preset.get_config()
    dataset = load_data(settings)
    arguments = (settings, dataset, preprocessing_of(settings, dataset))
    whole = json.loads((made / "full_data" / "result.json").read_text())
    assert len(whole["accuracies"]) == 2
    folder = shutil.copytree(made / "full_data", tmp_path / "full_data")
    (folder / "result.json").unlink()
    (kept,) = folder.glob("*/network-1.npz")
    kept.write_bytes(kept.read_bytes()[:-9])
    lines = []
    again = train_better(*arguments, PLAN.full, tmp_path, log=lines.append)
    assert again["accuracies"] == whole["accuracies"]
    assert "trained again from the beginning" in lines[0]


def test_full_data_of_another_recipe_is_not_taken_for_this_one(made, preset, tmp_path):
    from mttjax.paper.table.full_data import train_better
    from mttjax.runs.workflows import load_data, preprocessing_of

    settings = preset.get_config()
    dataset = load_data(settings)
    arguments = (settings, dataset, preprocessing_of(settings, dataset))
    shutil.copytree(made / "full_data", tmp_path / "full_data")
    less = replace(PLAN.full, epochs=1, networks=1)
    few = train_better(*arguments, less, tmp_path, log=lambda line: None)
    alone = train_better(*arguments, less, tmp_path / "alone", log=lambda line: None)
    assert few["accuracies"] == alone["accuracies"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ("mtt", "magic")}, "--methods magic: known are random"),
        ({"protocol": "long"}, "--protocol 'long'"),
        ({"draws": 0}, "--draws 0"),
        ({"ipcs": (0,)}, "--ipc 0"),
        ({"ipcs": ()}, "--ipc 0: must be whole numbers from 1"),
    ],
)
def test_what_no_table_can_hold_is_refused(preset, change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        compare(preset, replace(PLAN, **change), tmp_path)
    assert not list(tmp_path.iterdir())


def test_published_figures():
    assert published_figure("cifar10", "mtt", 10) == 65.3
    assert published_figure("cifar10", "dd", 1) is None
    assert published_figure("fashion_mnist", "dsa", 50) == 88.7
    assert published_figure("fashion_mnist", "mtt", 10) is None
    assert published_figure("digits", "mtt", 1) is None
    assert published_protocols("fashion_mnist").startswith("all but MTT's")
    assert published_protocols("cifar10").startswith("MTT's by 1001")
    assert published_protocols("digits") == ""


def test_the_command_on_random_images(tmp_path, capsys, short):
    arguments = ["--config", "digits", "--ipc", "1", "--methods", "random", "--draws", "1"]
    arguments += ["--protocol", "short", "--networks", "1", "--no-full", "--folder", str(tmp_path)]
    assert cli.table.main(arguments) == 0
    assert f"page: {tmp_path / 'index.html'}" in capsys.readouterr().out
    assert "bin/table --config digits" in (tmp_path / "table.md").read_text()
    assert "--methods magic" in cli.table.main([*arguments, "--methods", "magic"])
