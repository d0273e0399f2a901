"""Sets on other networks: the names, the table and the report."""

import json

import pytest
from small import NAMES, PROTOCOL, scored, small_dataset, small_set

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.evaluation import Scorer, evaluate, scorer
from mttjax.evaluation.architectures import (
    POOLS,
    Across,
    evaluate_across,
    expand,
    report_across,
    spec_of,
)
from mttjax.system.errors import InputError

DATASET = small_dataset()
OWN = NetworkSpec(depth=2, width=8, activation="sigmoid")


VGG = NetworkSpec("vgg11", norm="batch")


@pytest.mark.parametrize(
    ("name", "base", "spec"),
    [
        ("convnet", OWN, OWN),
        ("convnet-w64", OWN, NetworkSpec(depth=2, width=64, activation="sigmoid")),
        ("convnet-d3-relu", OWN, NetworkSpec(depth=3, width=8)),
        ("convnet-batch-max", OWN, NetworkSpec("convnet", 2, 8, "batch", "sigmoid", "max")),
        ("convnet-nonorm-nopool", OWN, NetworkSpec("convnet", 2, 8, "none", "sigmoid", "none")),
        ("resnet18", OWN, NetworkSpec("resnet18")),
        ("vgg11-batch", OWN, VGG),
        ("convnet", VGG, NetworkSpec()),
        ("vgg11", VGG, VGG),
    ],
)
def test_a_name_is_a_network(name, base, spec):
    assert spec_of(name, base) == spec


def test_every_pool_is_of_networks_that_fit_32_pixels():
    for name in expand(POOLS):
        assert make_network(spec_of(name, NetworkSpec()), (32, 32, 3), 10)


def test_pools_and_names_are_put_together_each_once():
    depths = tuple(f"convnet-d{depth}" for depth in (2, 1, 3, 4))
    assert expand(["convnet-d2", "depth", "alexnet"]) == (*depths, "alexnet")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "'resnet': no such network or pool of networks; did you mean 'resnet18'"),
        ("widht", "did you mean 'width'"),
        ("convnet-x9", "'x9' is no change of a network; there are dN"),
        ("alexnet-w64", r"alexnet-w64: network\.width is 64, which .* leave alexnet-w64 out"),
        ("vgg11", "at least 32 pixels a side, got 8"),
        ("convnet-d4", "depth 4 halves a 8-pixel image away.*leave convnet-d4 out"),
    ],
)
def test_what_cannot_be_is_refused_before_any_network_is_trained(name, message, monkeypatch):
    monkeypatch.setattr(scorer, "Evaluator", None)
    with pytest.raises(InputError, match=message):
        evaluate_across({"mine": small_set()}, ["convnet", name], Scorer(DATASET, PROTOCOL))
    others = {"mine": small_set(), "other": small_set(side=9)}
    with pytest.raises(InputError, match="distilled from bright"):
        evaluate_across(others, ["convnet"], Scorer(DATASET, PROTOCOL))


def test_each_cell_is_the_evaluation_of_a_set_with_a_network():
    sets = {"one": small_set(1), "two": small_set(2)}
    names, lines = ["convnet", "convnet-max"], []
    across = evaluate_across(sets, names, Scorer(DATASET, PROTOCOL, seed=3, log=lines.append))
    assert across.networks == tuple(names)
    assert len(lines) == 4
    assert lines[0].startswith("1 of 4: one, convnet: ")
    spec = NetworkSpec(depth=1, width=4, pooling="max")
    expected = evaluate(sets["two"], DATASET, PROTOCOL, network=spec, seed=3)
    cell = across.record()["rows"]["two"]["scores"]["convnet-max"]
    assert cell["accuracies"] == expected.record()["accuracies"]
    assert NetworkSpec(**cell["network"]) == spec
    assert json.loads(json.dumps(across.record())) == across.record()


def test_the_table_has_a_row_per_set_and_a_column_per_network():
    scores = {"convnet": (0.65, 0.636), "alexnet": (0.368, 0.316)}
    evaluations = {("mtt", n): scored(*a) for n, a in scores.items()}
    across = Across({"mtt": small_set(10)}, evaluations, tuple(scores), NAMES)
    assert across.table() == (
        ("set", "images", "convnet", "alexnet"),
        [("mtt", "10 per class", "64.3 ± 0.7", "34.2 ± 2.6")],
    )


def test_the_report_is_written_and_none_is_trained_again(tmp_path, capsys, monkeypatch):
    sets, names = {"mine": small_set(1)}, ["convnet", "convnet-d2"]
    how = {"seed": 0, "folder": tmp_path, "log": lambda _: None}
    path = report_across(sets, DATASET, names, PROTOCOL, **how)
    read_rows = lambda: json.loads((tmp_path / "architectures.json").read_text())["rows"]
    table, rows = path.read_text(), read_rows()
    assert "| mine " in capsys.readouterr().out
    assert list(rows) == ["mine", "random real images"]
    assert all(list(row["scores"]) == names for row in rows.values())
    assert all(name in table for name in [*rows, *names])
    monkeypatch.setattr(scorer, "Evaluator", None)
    assert report_across(sets, DATASET, names, PROTOCOL, **how) == path
    assert path.read_text() == table
    report_across(sets, DATASET, names, PROTOCOL, **how, with_random=False)
    assert list(read_rows()) == ["mine"]
