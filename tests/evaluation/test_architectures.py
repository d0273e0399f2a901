"""Sets on other networks: the names, the table, a kill, and the command."""

import json

import pytest
from small import PROTOCOL, small_dataset, small_set

from mttjax import cli
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.datasets import load_dataset
from mttjax.distilled import save_distilled
from mttjax.evaluation import scorer as scoring
from mttjax.evaluation.architectures import POOLS, across_table, evaluate_across, expand, spec_of
from mttjax.evaluation.sets import evaluate_set, make_evaluator
from mttjax.system.errors import InputError

DATASET = small_dataset()
OWN = NetworkSpec(depth=2, width=8, activation="sigmoid")


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("convnet", OWN),
        ("convnet-w64", NetworkSpec(depth=2, width=64, activation="sigmoid")),
        ("convnet-d3-relu", NetworkSpec(depth=3, width=8)),
        ("convnet-batch-max", NetworkSpec("convnet", 2, 8, "batch", "sigmoid", "max")),
        ("convnet-nonorm-nopool", NetworkSpec("convnet", 2, 8, "none", "sigmoid", "none")),
        ("resnet18", NetworkSpec("resnet18")),
        ("vgg11-batch", NetworkSpec("vgg11", norm="batch")),
    ],
)
def test_a_name_is_a_network(name, spec):
    assert spec_of(name, OWN) == spec


def test_a_convnet_beside_a_set_of_another_architecture_is_the_usual_one():
    assert spec_of("convnet", NetworkSpec("vgg11", norm="batch")) == NetworkSpec()
    assert spec_of("vgg11", NetworkSpec("vgg11", norm="batch")).norm == "batch"


def test_every_pool_is_of_networks_that_fit_32_pixels():
    sizes = {name: len(networks) for name, networks in POOLS.items()}
    assert sizes == {
        "architectures": 4,
        "width": 4,
        "depth": 4,
        "activation": 3,
        "pooling": 3,
        "norm": 5,
    }
    for name in expand(POOLS):
        assert make_network(spec_of(name, NetworkSpec()), (32, 32, 3), 10)


def test_pools_and_names_are_put_together_each_once():
    assert expand(["convnet-d2", "depth", "alexnet"]) == (
        "convnet-d2",
        "convnet-d1",
        "convnet-d3",
        "convnet-d4",
        "alexnet",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet", "'resnet': no such network; did you mean 'resnet18'"),
        ("widht", "did you mean 'width'"),
        ("convnet-x9", "'x9' is no change of a network; there are dN"),
        ("convnet-none", "'none' is no change"),
        ("alexnet-w64", r"alexnet-w64: network\.width is 64, which .* leave alexnet-w64 out"),
        ("vgg11", "at least 32 pixels a side, got 8"),
        ("convnet-d4", "depth 4 halves a 8-pixel image away.*leave convnet-d4 out of --networks"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_any_is_trained(name, message, monkeypatch):
    monkeypatch.setattr(scoring, "evaluate_set", None)
    with pytest.raises(InputError, match=message):
        evaluate_across({"mine": small_set()}, DATASET, ["convnet", name], PROTOCOL)


def test_sets_of_other_data_are_refused_before_any_is_trained(monkeypatch):
    monkeypatch.setattr(scoring, "evaluate_set", None)
    sets = {"mine": small_set(), "other": small_set(side=9)}
    with pytest.raises(InputError, match="distilled from bright"):
        evaluate_across(sets, DATASET, ["convnet"], PROTOCOL)


def test_each_cell_is_the_evaluation_of_a_set_with_a_network():
    sets = {"one": small_set(1), "two": small_set(2)}
    lines = []
    results = evaluate_across(
        sets, DATASET, ["convnet", "convnet-max"], PROTOCOL, seed=3, log=lines.append
    )
    assert results["networks"] == ["convnet", "convnet-max"]
    assert len(lines) == 4
    assert lines[0].startswith("1 of 4: one, convnet: ")
    spec = NetworkSpec(depth=1, width=4, pooling="max")
    expected = evaluate_set(
        sets["two"], make_evaluator(sets["two"], DATASET, PROTOCOL, spec), seed=3
    )
    cell = results["rows"]["two"]["scores"]["convnet-max"]
    assert cell["accuracies"] == expected.record()["accuracies"]
    assert NetworkSpec(**cell["network"]) == spec
    assert json.loads(json.dumps(results)) == results


def test_a_killed_run_goes_on_where_it_was(tmp_path, monkeypatch):
    sets, names = {"one": small_set(1), "two": small_set(2)}, ["convnet", "convnet-nopool"]
    whole = evaluate_across(sets, DATASET, names, PROTOCOL)
    calls = []

    def killed_at(last):
        def evaluate(*args, **options):
            calls.append(options["title"])
            if len(calls) == last:
                raise KeyboardInterrupt
            return evaluate_set(*args, **options)

        return evaluate

    monkeypatch.setattr(scoring, "evaluate_set", killed_at(3))
    with pytest.raises(KeyboardInterrupt):
        evaluate_across(sets, DATASET, names, PROTOCOL, folder=tmp_path)
    monkeypatch.setattr(scoring, "evaluate_set", killed_at(None))
    assert evaluate_across(sets, DATASET, names, PROTOCOL, folder=tmp_path) == whole
    assert len(calls) == 3 + 2


def test_the_table_has_a_row_per_set_and_a_column_per_network():
    scores = {"convnet": {"mean": 0.643, "std": 0.0071}, "alexnet": {"mean": 0.342, "std": 0.026}}
    results = {"networks": ["convnet", "alexnet"], "rows": {"mtt": {"ipc": 10, "scores": scores}}}
    assert across_table(results) == (
        ("set", "images", "convnet", "alexnet"),
        [("mtt", "10 per class", "64.3 ± 0.7", "34.2 ± 2.6")],
    )


@pytest.fixture
def digits(tmp_path):
    """Two distilled sets of the digits, of one file name."""
    train = load_dataset("digits").train
    names = tuple(map(str, range(10)))
    for ipc in (1, 2):
        chosen = [i for k in range(10) for i in (train.labels == k).nonzero()[0][:ipc]]
        base = small_set(dataset="digits")
        fields = vars(base) | {
            "images": base.preprocessing(train.images[chosen]).astype("float32"),
            "labels": (train.labels[chosen][:, None] == range(10)).astype("float32"),
            "class_names": names,
        }
        save_distilled(tmp_path / f"ipc{ipc}" / "last.npz", type(base)(**fields))
    return tmp_path


QUICK = ["--protocol.networks", "1", "--protocol.epochs", "2"]


def test_the_command_writes_the_table_and_goes_on(digits, capsys, monkeypatch):
    sets = [str(digits / f"ipc{ipc}" / "last.npz") for ipc in (1, 2)]
    command = ["--set", *sets, "--networks", "convnet", "convnet-d2", "--to", str(digits), *QUICK]
    assert cli.evaluate.main(command) == 0
    assert "| ipc2/last " in capsys.readouterr().out
    table = (digits / "architectures.md").read_text()
    rows = json.loads((digits / "architectures.json").read_text())["rows"]
    random = [f"random real images, {ipc} per class" for ipc in (1, 2)]
    assert list(rows) == ["ipc1/last", "ipc2/last", *random]
    assert all(set(row["scores"]) == {"convnet", "convnet-d2"} for row in rows.values())
    assert all(name in table for name in rows)
    monkeypatch.setattr(scoring, "evaluate_set", None)
    assert cli.evaluate.main(command) == 0
    assert (digits / "architectures.md").read_text() == table


def test_the_command_writes_beside_the_set_and_refuses_what_does_not_fit(digits):
    one = ["--set", str(digits / "ipc1/last.npz"), "--no-random", *QUICK]
    assert cli.evaluate.main([*one, "--networks", "convnet"]) == 0
    assert (digits / "ipc1/architectures.json").exists()
    answer = cli.evaluate.main([*one, "--networks", "architectures"])
    assert "resnet18 out of --networks" in answer
    answer = cli.evaluate.main([*one, "--run", str(digits)])
    assert "either --set" in answer
