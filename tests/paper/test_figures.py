"""The paper's figures on digits: numbers that can be checked by hand, and nothing made twice."""

import csv
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from PIL import Image
from small import small_set

from mttjax.config.protocol import Protocol
from mttjax.config.settings import Run
from mttjax.core.networks import make_network
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore
from mttjax.paper import cells
from mttjax.paper.figures import distance
from mttjax.paper.figures.cost import draw_cost
from mttjax.paper.figures.distance import distances, distilled_student, draw_distance, real_student
from mttjax.paper.figures.grid import draw_grid
from mttjax.paper.figures.held_out import require_fitting, require_held_out, used_experts
from mttjax.paper.figures.plans import Sweep, Walks
from mttjax.paper.figures.range import draw_range
from mttjax.runs.problem import load_data
from mttjax.runs.workflows import distill
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json

quiet = lambda line: None


@pytest.fixture(scope="module")
def run(settings, tmp_path_factory):
    """An MTT run that was evaluated on the way."""
    folder = str(tmp_path_factory.mktemp("runs") / "tiny")
    return distill(replace(settings, run=Run(folder=folder)), log=quiet)


@pytest.fixture(scope="module")
def parts(run, settings):
    """(set, store, dataset, network)."""
    distilled, dataset = run.load("last"), load_data(settings)
    network = make_network(distilled.network, dataset.image_shape, dataset.n_classes)
    return distilled, ExpertStore(settings.expert_folder), dataset, network


def ends(store, network, expert=2, start=0, target=1):
    return (store.load(expert, epoch, network.shapes) for epoch in (start, target))


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
        images, labels = wide((images, labels))
        (params, unravel), (target, _) = map(ravel_pytree, (wide(start), wide(target)))

        def loss(params):
            chances = jax.nn.log_softmax(apply(unravel(params), images))
            return -jnp.mean(jnp.sum(labels * chances, axis=1))

        far, slope = [jnp.sum((params - target) ** 2)], jax.jit(jax.grad(loss))
        for _ in range(steps):
            params -= lr * slope(params)
            far.append(jnp.sum((params - target) ** 2))
        return np.array(far) / far[0]


def test_distances_are_those_of_a_plain_loop_in_float64(parts):
    distilled, store, dataset, network = parts
    distilled = replace(distilled, ops=())
    # Whole batches: the order that images come in makes no difference.
    recipe = replace(store.recipe, ops=(), batch=10**6)
    prepared = np.asarray(store.preprocessing(dataset.train.images))
    hot = np.eye(dataset.n_classes)[dataset.train.labels]
    set_student = distilled_student(distilled, network.apply, 20, 5)
    images_student = real_student(dataset, recipe, store.preprocessing, network.apply, 64)
    cases = [
        (set_student, (distilled.images, distilled.labels, distilled.lr)),
        (images_student, (prepared, hot, 0.05)),
    ]
    start, target = ends(store, network)
    for student, data in cases:
        passed = distances(student, start, target, jax.random.key(0), steps=6, every=2)
        expected = loop_in_float64(network.apply, *data, start, target, 6)
        assert passed[0] == 1
        np.testing.assert_allclose(passed, expected[::2], rtol=1e-4)
        assert passed[1] < 1


def test_the_distances_of_all_walks_are_written_and_none_is_made_twice(
    parts, tmp_path, monkeypatch
):
    walks = Walks((2, 3), (0, 2), expert_epochs=1, steps=6, every=3)
    draw = lambda walks: draw_distance(*parts[:3], walks, tmp_path, log=quiet)
    table, picture = draw(walks)
    rows = rows_of(table)
    assert list(rows[0]) == ["data", "expert", "start", "target", "step", "distance"]
    assert len(rows) == 2 * 2 * 2 * 3
    assert {(r["start"], r["target"]) for r in rows} == {("0", "1"), ("2", "3")}
    assert {r["distance"] for r in rows if r["step"] == "0"} == {"1.0"}
    assert len({r["distance"] for r in rows if r["step"] != "0"}) == 16
    assert is_png(picture)
    before = table.read_bytes(), picture.read_bytes()
    monkeypatch.setattr(distance, "distances", lambda *_, **__: pytest.fail("made twice"))
    draw(walks)
    assert (table.read_bytes(), picture.read_bytes()) == before
    monkeypatch.setattr(distance, "distances", lambda *_, **__: [1.0, 0.5, float("nan")])
    draw(replace(walks, seed=1))
    assert {r["distance"] for r in rows_of(table) if r["step"] == "6"} == {""}


@pytest.mark.parametrize(
    ("said", "used"),
    [
        ({"method": "dsa"}, set()),
        ({"method": "herding", "distill": {"expert": 3}}, {3}),
        ({"method": "mtt", "experts": {"count": 3}}, {0, 1, 2}),
    ],
)
def test_which_experts_were_used_follows_from_the_method(parts, said, used):
    assert used_experts(small_set(settings=said), parts[1]) == used


def test_experts_that_a_run_drew_count_as_used_whatever_the_store_has_now(parts):
    distilled, store, *_ = parts
    metrics = [{"step": 1, "experts": [3], "epochs": [0]}]
    assert used_experts(distilled, store, metrics) == {0, 1, 3}
    with pytest.raises(InputError, match="does not say which experts"):
        used_experts(replace(distilled, settings={}), store, metrics)


def test_experts_that_were_used_or_lack_epochs_are_refused_by_number(parts):
    store = parts[1]
    require_held_out((2, 3), 3, store, {0, 1})
    with pytest.raises(InputError, match=r"held_out is 1: .* trained to epoch 1 there: 2 3\."):
        require_held_out((1, 2), 1, store, {0, 1})
    with pytest.raises(InputError, match=r"epoch 4 is needed.*2 to epoch 3, 7 not at all"):
        require_held_out((2, 7), 4, store, {0, 1})


def test_experts_of_another_network_or_preprocessing_are_refused(parts):
    distilled, store, dataset, _ = parts
    require_fitting(distilled, store, dataset)
    other = distilled.preprocessing._replace(std=distilled.preprocessing.std * 2)
    with pytest.raises(InputError, match="preprocessing standardize"):
        require_fitting(replace(distilled, preprocessing=other), store, dataset)
    wider = replace(distilled, network=replace(distilled.network, width=8))
    with pytest.raises(InputError, match="networks are"):
        require_fitting(wider, store, dataset)


def test_a_sweep_has_every_range_once_and_in_order():
    assert Sweep((20, 5, 20), (2, 1)).cells() == [(5, 1), (5, 2), (20, 1), (20, 2)]


def test_a_sweep_killed_goes_on_and_a_whole_one_makes_nothing(settings, tmp_path, monkeypatch):
    sweep = Sweep((3,), (1, 2), Protocol(networks=2, epochs=3))
    lines = []

    def die(line):
        lines.append(line)
        if line.startswith("S3-M2: the step compiled"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        draw_range(settings, sweep, tmp_path, log=die)
    assert [r["expert_epochs"] for r in rows_of(tmp_path / "range.csv")] == ["1"]
    assert is_png(tmp_path / "range.png")
    lines.clear()
    draw_range(settings, sweep, tmp_path, log=lines.append)
    assert lines[0].startswith("digits: 10 classes")
    assert "measured on" in lines[1]
    rows = rows_of(tmp_path / "range.csv")
    assert [(row["student_steps"], row["expert_epochs"]) for row in rows] == [
        ("3", "1"),
        ("3", "2"),
    ]

    monkeypatch.setattr(cells, "distill", lambda *_, **__: pytest.fail("made twice"))
    draw_range(settings, sweep, tmp_path, command="figure range", log=quiet)
    assert rows_of(tmp_path / "range.csv") == rows
    record = read_json(tmp_path / "range.json")
    assert record["command"] == "figure range"
    score = read_json(tmp_path / "cells/2x3/S3-M2.json")["result"]["accuracies"]
    assert record["cells"][-1]["mean"] == pytest.approx(np.mean(score))
    made = load_distilled(tmp_path / "sets/S3-M2/last.npz").settings
    assert made["distill"]["expert_epochs"] == 2
    assert made["distill"]["validation"]["networks"] == 0


def test_a_sweep_that_cannot_end_does_not_begin(settings, tmp_path):
    with pytest.raises(InputError, match=r"expert_epochs is 9: 0 experts .* 2 are needed"):
        draw_range(settings, Sweep((3,), (1, 9)), tmp_path, log=quiet)
    assert not list(tmp_path.iterdir())


def test_the_grid_shows_the_first_image_of_every_class(tmp_path):
    path = tmp_path / "grids" / "first.png"
    record, picture = draw_grid(small_set(ipc=2), path)
    assert read_json(record)["indices"] == [0, 2, 4]
    assert read_json(record)["classes"] == ["ant", "bee", "cat"]
    assert is_png(picture)
    with pytest.raises(InputError, match=r"ends in \.png"):
        draw_grid(small_set(), tmp_path / "x.jpg")


def test_the_cost_adds_up_the_seconds_before_each_evaluation(run, settings, preset, tmp_path):
    other = shutil.copytree(run.path, tmp_path / "other")
    write_json(other / "config.json", preset.settings(2, "dsa").decisive())
    metrics = run.metrics()
    scores = [record["evaluation"] for record in metrics if record.get("evaluation")]
    spent = [
        sum(before.get("seconds") or 0 for before in metrics[: i + 1])
        for i, record in enumerate(metrics)
        if record.get("evaluation")
    ]
    table, picture = draw_cost([run.path, other], tmp_path)
    rows = rows_of(table)
    assert [r["run"] + r["step"] for r in rows] == [n + s for n in ("tiny", "other") for s in "024"]
    assert [float(r["seconds"]) for r in rows] == pytest.approx(2 * spent)
    for name in ("mean", "std", "networks"):
        assert [float(r[name]) for r in rows] == 2 * [score[name] for score in scores]
    assert is_png(picture)

    draw_cost([run.path, other], tmp_path, experts=settings.expert_folder)
    store = ExpertStore(settings.expert_folder)
    paid = sum(store.record(expert, epoch)["seconds"] for expert in (0, 1) for epoch in (1, 2))
    seconds = [float(r["seconds"]) for r in rows_of(table)]
    assert seconds == pytest.approx([paid + s for s in spent] + spent)

    wide = replace(settings, network=replace(settings.network, width=64))
    write_json(other / "config.json", wide.decisive())
    with pytest.raises(InputError, match="give the store that the run was made with"):
        draw_cost([other], tmp_path, experts=settings.expert_folder)
    with pytest.raises(InputError, match="no run there that was evaluated"):
        draw_cost([tmp_path / "nowhere"], tmp_path)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Sweep, ((0,), (1,)), "student_steps is 0"),
        (Sweep, ((3,), ()), "at least one number"),
        (Walks, ((2,), (-1,), 1), "starts is -1"),
        (Walks, ((), (0,), 1), "at least one number"),
        (Walks, ((2,), (0,), 1, 5, 2), "every is 2: must divide steps, 5"),
        (Walks, ((2,), (0,), 1, 4, 2, 0), "batch is 0"),
    ],
)
def test_nothing_can_be_asked_for_that_no_figure_can_show(kind, fields, message):
    with pytest.raises(InputError, match=message):
        kind(*fields)
