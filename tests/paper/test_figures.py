"""The paper's figures on digits: numbers that can be checked by hand, and nothing made twice."""

import csv
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from mttjax import cli
from mttjax.config.methods import Distill
from mttjax.config.presets import load_preset
from mttjax.config.protocol import Protocol
from mttjax.core.networks import make_network
from mttjax.distilled import load_distilled, save_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.experts.recipe import recipe_of
from mttjax.experts.store import ExpertStore
from mttjax.paper import cells
from mttjax.paper.figures import distance
from mttjax.paper.figures.distance import distances, distilled_student, real_student
from mttjax.paper.figures.held_out import require_held_out, used_experts
from mttjax.paper.figures.range import Sweep, draw_range
from mttjax.system.errors import InputError
from mttjax.system.files import read_json

PRESET = """
from mttjax.config.settings import Data, Experts, Settings
from mttjax.config.methods import Distill
from mttjax.config.protocol import Protocol
from mttjax.core.networks import NetworkSpec
IPCS = (2,)
def get_config(ipc):
    return Settings(
        name="tiny", ipc=ipc, ops=("crop",), data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4), experts=Experts(count=2, batch=128, lr=0.05),
        distill=Distill(student_steps=3, expert_epochs=1, max_start=2, lr_img=10, batch=10,
                        steps=4, save_every=2, evaluate_every=2,
                        validation=Protocol(networks=2, epochs=3)))
"""

STORE = "experts/digits/convnet-d1-w4-standardize"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A preset with four experts of three epochs, two of them matched, and a set."""
    folder = tmp_path_factory.mktemp("figures")
    (folder / "tiny.py").write_text(PRESET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        preset = ["--config", "tiny.py"]
        assert (
            cli.train_experts.main([*preset, "--experts.count", "4", "--experts.epochs", "3"]) == 0
        )
        assert cli.distill.main(preset) == 0
    return folder


@pytest.fixture
def place(folder, monkeypatch):
    """That folder, as the one the commands run in."""
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def parts(place):
    """(set, store, dataset, network)."""
    distilled = load_distilled("runs/tiny-ipc2/last.npz")
    dataset = real_data_of(distilled)
    network = make_network(distilled.network, dataset.image_shape, dataset.n_classes)
    return distilled, ExpertStore(STORE), dataset, network


def ends(store, network, expert, start, target):
    like = jax.eval_shape(network.init, jax.random.key(0))
    return store.load(expert, start, like), store.load(expert, target, like)


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def is_png(path):
    with Image.open(path) as image:
        return image.format == "PNG" and min(image.size) > 100


def loop_in_float64(apply, images, labels, lr, start, target, steps):
    """The distances by a plain loop over whole-batch steps."""
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tree)
        images, labels, params, target = map(wide, (images, labels, start, target))

        def loss(params):
            chances = jax.nn.log_softmax(apply(params, images))
            return -jnp.mean(jnp.sum(labels * chances, axis=1))

        def far(params):
            leaves = zip(jax.tree.leaves(params), jax.tree.leaves(target), strict=True)
            return sum(float(((a - b) ** 2).sum()) for a, b in leaves)

        scale, found = far(params), [1.0]
        slope = jax.jit(jax.grad(loss))
        for _ in range(steps):
            params = jax.tree.map(lambda p, g: p - lr * g, params, slope(params))
            found.append(far(params) / scale)
        return found


def test_distances_are_those_of_a_plain_loop_in_float64(parts):
    distilled, store, dataset, network = parts
    distilled = replace(distilled, ops=())
    # Whole batches: the order that images come in makes no difference.
    recipe = replace(recipe_of(store), ops=(), batch=10**6)
    prepared = np.asarray(store.preprocessing(dataset.train.images))
    hot = np.eye(dataset.n_classes)[dataset.train.labels]
    cases = [
        (
            distilled_student(distilled, network.apply, 20, 5),
            (distilled.images, distilled.labels, distilled.lr),
        ),
        (
            real_student(dataset, recipe, store.preprocessing, network.apply, 64),
            (prepared, hot, 0.05),
        ),
    ]
    start, target = ends(store, network, 2, 0, 1)
    for student, data in cases:
        found = distances(student, start, target, jax.random.key(0), steps=6, every=2)
        expected = loop_in_float64(network.apply, *data, start, target, 6)
        assert found[0] == 1
        np.testing.assert_allclose(found, expected[::2], rtol=1e-4)
        assert found[1] < 1


def test_a_distance_does_not_depend_on_how_often_it_is_taken(parts):
    distilled, store, _, network = parts
    student = distilled_student(replace(distilled, ops=()), network.apply, 10, None)
    each, every_third = (
        distances(student, *ends(store, network, 2, 0, 1), jax.random.key(3), steps=6, every=k)
        for k in (1, 3)
    )
    np.testing.assert_allclose(each[::3], every_third, rtol=1e-5)


def test_a_student_whose_own_end_is_the_target_arrives(parts):
    distilled, store, _, network = parts
    student = distilled_student(distilled, network.apply, 10, None)
    start, far = ends(store, network, 2, 0, 1)
    key = jax.random.key(5)
    reached = []

    def spy(*args, **kwargs):
        out = student.advance(*args, **kwargs)
        reached.append(out[1].params)
        return out

    distances(student._replace(advance=spy), start, far, key, steps=4, every=2)
    found = distances(student, start, reached[-1], key, steps=4, every=2)
    assert found[0] == 1
    assert found[-1] == pytest.approx(0, abs=1e-9)


def test_the_distance_command_writes_all_walks_and_makes_none_twice(place, capsys, monkeypatch):
    command = [
        "distance",
        "--run",
        "runs/tiny-ipc2",
        "--experts",
        STORE,
        "--held-out",
        "2",
        "3",
        "--starts",
        "0",
        "2",
        "--steps",
        "6",
        "--every",
        "3",
    ]
    assert cli.figure.main(command) == 0
    path = place / "runs/tiny-ipc2/distance/distance.csv"
    assert str(path.relative_to(place)) in capsys.readouterr().out
    rows = rows_of(path)
    assert list(rows[0]) == ["data", "expert", "start", "target", "step", "distance"]
    assert len(rows) == 2 * 2 * 2 * 3
    assert {(r["start"], r["target"]) for r in rows} == {("0", "1"), ("2", "3")}
    assert {r["distance"] for r in rows if r["step"] == "0"} == {"1.0"}
    assert len({r["distance"] for r in rows if r["step"] != "0"}) == 16
    assert is_png(path.with_suffix(".png"))
    before = path.read_bytes(), path.with_suffix(".png").read_bytes()
    monkeypatch.setattr(distance, "distances", lambda *_, **__: pytest.fail("made twice"))
    assert cli.figure.main(command) == 0
    assert (path.read_bytes(), path.with_suffix(".png").read_bytes()) == before
    monkeypatch.setattr(distance, "distances", lambda *_, **__: [1.0, 0.5, float("nan")])
    assert cli.figure.main([*command, "--seed", "1"]) == 0
    assert {r["distance"] for r in rows_of(path) if r["step"] == "6"} == {""}


def test_experts_that_were_matched_are_refused_by_number(place):
    command = ["distance", "--set", "runs/tiny-ipc2/last.npz", "--experts", STORE, "--steps", "2"]
    answer = cli.figure.main([*command, "--held-out", "1", "2"])
    assert answer.startswith("figure: --held-out 1: the set was distilled with these experts")
    assert "Free and trained to epoch 1 there: 2 3." in answer
    assert "--allow-used" in answer
    away = ["--to", "elsewhere", "--allow-used"]
    assert cli.figure.main([*command, "--held-out", "1", *away]) == 0
    answer = cli.figure.main([*command, "--held-out", "2", "7", "--starts", "0", "3"])
    assert "--held-out 2 7: epoch 4 is needed" in answer
    assert "2 to epoch 3, 7 not at all" in answer


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"method": "dsa"}, set()),
        ({"method": "herding", "distill": {"expert": 3}}, {3}),
        (
            {
                "method": "mtt",
                "experts": {"count": 3},
                "distill": {"max_start": 1, "expert_epochs": 2},
            },
            {0, 1, 2},
        ),
    ],
)
def test_which_experts_were_used_follows_from_the_method(parts, tmp_path, settings, used):
    distilled, store, *_ = parts
    metrics = tmp_path / "metrics.jsonl"
    assert used_experts(replace(distilled, settings=settings), store, metrics) == used


def test_experts_that_a_run_drew_count_as_used_whatever_the_store_has_now(parts, tmp_path):
    distilled, store, *_ = parts
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 1, "experts": [3], "epochs": [0]}\n')
    assert used_experts(distilled, store, metrics) == {0, 1, 3}
    with pytest.raises(InputError, match="--held-out 3"):
        require_held_out((3,), 1, store, {0, 1, 3})
    with pytest.raises(InputError, match="does not say which experts"):
        used_experts(replace(distilled, settings={}), store, metrics)


def test_experts_of_another_network_or_preprocessing_are_refused(parts, tmp_path):
    distilled, *_ = parts
    other = distilled.preprocessing._replace(std=distilled.preprocessing.std * 2)
    save_distilled(tmp_path / "other.npz", replace(distilled, preprocessing=other))
    wider = replace(distilled, network=replace(distilled.network, width=8))
    save_distilled(tmp_path / "wider.npz", wider)
    for name, message in (("other", "preprocessing standardize"), ("wider", "networks are")):
        command = ["distance", "--set", str(tmp_path / f"{name}.npz"), "--experts", STORE]
        assert message in cli.figure.main([*command, "--held-out", "2"])


RANGE = [
    "range",
    "--config",
    "tiny.py",
    "--student-steps",
    "3",
    "--expert-epochs",
    "1",
    "2",
    "--protocol.networks",
    "2",
    "--protocol.epochs",
    "3",
]


def test_a_sweep_has_every_range_once_and_in_order():
    cells = Sweep((20, 5, 20), (2, 1)).cells(seed=7)
    assert [cell.name for cell in cells] == ["S5-M1", "S5-M2", "S20-M1", "S20-M2"]
    assert {cell.seed for cell in cells} == {7}


def test_a_sweep_killed_goes_on_and_a_whole_one_makes_nothing(place, monkeypatch):
    settings = load_preset("tiny.py").get_config(2)
    sweep = Sweep((3,), (1, 2), Protocol(networks=2, epochs=3))
    killed = place / "runs/killed"
    lines = []

    def die(line):
        lines.append(line)
        if line.startswith("S3-M2: the step compiled"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        draw_range(settings, sweep, killed, log=die)
    assert [r["expert_epochs"] for r in rows_of(killed / "range.csv")] == ["1"]
    assert is_png(killed / "range.png")
    lines.clear()
    draw_range(settings, sweep, killed, log=lines.append)
    assert "there already" in lines[0]
    assert not any("S3-M1: the step" in line for line in lines)

    assert cli.figure.main(RANGE) == 0
    whole = place / "runs/tiny-ipc2-range"
    numbers = ("student_steps", "expert_epochs", "mean", "std", "lr")
    table, other = (
        [[row[n] for n in numbers] for row in rows_of(path / "range.csv")]
        for path in (whole, killed)
    )
    assert table == other
    assert [row[:2] for row in table] == [["3", "1"], ["3", "2"]]
    monkeypatch.setattr(cells, "run_distill", lambda *_, **__: pytest.fail("made twice"))
    before = (whole / "range.csv").read_bytes()
    assert cli.figure.main(RANGE) == 0
    assert (whole / "range.csv").read_bytes() == before
    record = read_json(whole / "range.json")
    assert [cell["expert_epochs"] for cell in record["cells"]] == [1, 2]
    assert record["command"].startswith("bin/figure range --config tiny.py")
    score = read_json(whole / "cells/2x3/S3-M2.json")["accuracies"]
    assert record["cells"][-1]["mean"] == pytest.approx(np.mean(score))
    assert load_distilled(whole / "sets/S3-M2/last.npz").settings["distill"]["expert_epochs"] == 2
    answer = cli.figure.main([*RANGE, "--steps", "1"])
    assert "--steps 1: the set in" in answer
    assert "has had 4 already" in answer


def test_the_grid_shows_the_first_image_of_every_class(place):
    command = ["grid", "--set", "runs/tiny-ipc2/last.npz", "--to", "grids/first.png"]
    assert cli.figure.main(command) == 0
    record = read_json(place / "grids/first.json")
    assert record["indices"] == list(range(0, 20, 2))
    assert record["classes"] == [str(k) for k in range(10)]
    assert is_png(place / "grids/first.png")


def write_run(folder, name, lines, **config):
    run = folder / name
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    network = {"name": "convnet", "depth": 1, "width": 4}
    distill = {"max_start": Distill().max_start, "expert_epochs": 1}
    defaults = {"method": "mtt", "network": network, "experts": {"count": 2}, "distill": distill}
    (run / "config.json").write_text(json.dumps(defaults | config))
    return str(run)


def test_the_cost_adds_up_the_seconds_before_each_evaluation(place, tmp_path):
    score = {"mean": 0.5, "std": 0.1, "networks": 2}
    step = lambda n: {"step": n, "loss": 1.0, "seconds": 0.25}
    lines = [{"step": 0, "evaluation": score}, step(1), step(2), {"step": 2, "evaluation": score}]
    few = {"max_start": 2, "expert_epochs": 1}
    runs = [
        write_run(tmp_path, "a", lines, distill=few),
        write_run(tmp_path, "b", lines, method="dsa"),
    ]
    assert cli.figure.main(["cost", "--runs", *runs, "--to", str(tmp_path / "cost")]) == 0
    rows = rows_of(tmp_path / "cost/cost.csv")
    assert [(r["run"], r["step"], r["seconds"]) for r in rows] == [
        ("a", "0", "0.0"),
        ("a", "2", "0.5"),
        ("b", "0", "0.0"),
        ("b", "2", "0.5"),
    ]
    assert {(r["mean"], r["std"], r["networks"]) for r in rows} == {("0.5", "0.1", "2")}
    assert is_png(tmp_path / "cost/cost.png")

    command = ["cost", "--runs", *runs, "--to", str(tmp_path / "cost"), "--with-experts", STORE]
    assert cli.figure.main(command) == 0
    experts = ExpertStore(STORE).manifest["experts"]
    paid = sum(epoch["seconds"] for e in ("0000", "0001") for epoch in experts[e]["epochs"][1:3])
    seconds = [float(r["seconds"]) for r in rows_of(tmp_path / "cost/cost.csv")]
    assert seconds == pytest.approx([paid, paid + 0.5, 0.0, 0.5])


def test_a_real_run_has_a_cost_at_every_evaluation(place, tmp_path):
    assert cli.figure.main(["cost", "--runs", "runs/tiny-ipc2", "--to", str(tmp_path)]) == 0
    assert [row["step"] for row in rows_of(tmp_path / "cost.csv")] == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*RANGE, "--expert-epochs", "1", "9"], "--expert-epochs 9: 0 experts"),
        ([*RANGE, "--student-steps", "0"], "--student-steps 0: must be a list, each a"),
        ([*RANGE, "--max-start", "0"], "--max-start 0"),
        ([*RANGE, "--count", "5"], "bin/train_experts --config tiny --experts.count 5"),
        (["range", "--config", "tinny"], "no such preset"),
        (["grid", "--set", "runs/tiny-ipc2/last.npz", "--to", "x.jpg"], "--to x.jpg"),
        (["grid", "--set", "none.npz", "--to", "x.png"], "none.npz: no such file"),
        (["cost", "--runs", "nowhere", "--to", "x"], "nowhere/metrics.jsonl: no such file"),
        (
            ["cost", "--runs", "runs/tiny-ipc2", "--to", "x", "--with-experts", "nowhere"],
            "nowhere: no experts there",
        ),
        (["distance", "--experts", STORE, "--held-out", "2"], "either --set FILE.npz or --run"),
        (
            ["distance", "--run", "runs/tiny-ipc2", "--experts", "nowhere", "--held-out", "2"],
            "nowhere: no experts there",
        ),
        (
            [
                "distance",
                "--run",
                "runs/tiny-ipc2",
                "--experts",
                STORE,
                "--held-out",
                "2",
                "--steps",
                "5",
                "--every",
                "2",
            ],
            "--every 2: must divide --steps 5",
        ),
        (
            [
                "distance",
                "--run",
                "runs/tiny-ipc2",
                "--experts",
                STORE,
                "--held-out",
                "2",
                "--starts",
                "-1",
            ],
            "--starts -1",
        ),
        (
            [
                "distance",
                "--run",
                "runs/tiny-ipc2",
                "--experts",
                STORE,
                "--held-out",
                "2",
                "--batch",
                "0",
            ],
            "--batch 0",
        ),
    ],
)
def test_a_mistake_is_answered_with_the_value_and_the_remedy(place, arguments, message):
    answer = cli.figure.main(arguments)
    assert isinstance(answer, str)
    assert answer.startswith("figure: ")
    assert message in answer


def test_a_run_that_was_never_evaluated_and_experts_of_another_size_have_no_cost(place, tmp_path):
    line = {"step": 1, "loss": 1.0, "seconds": 1.0}
    bare = write_run(tmp_path, "bare", [line])
    assert "never evaluated" in cli.figure.main(["cost", "--runs", bare, "--to", str(tmp_path)])
    wide = {"name": "convnet", "depth": 1, "width": 64}
    other = write_run(tmp_path, "wide", [line], network=wide)
    command = ["cost", "--runs", other, "--to", str(tmp_path), "--with-experts", STORE]
    assert "--with-experts" in cli.figure.main(command)
