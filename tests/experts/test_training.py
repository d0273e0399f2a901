"""Training experts: the step itself, and stores that a kill or a later extension does not spoil."""

import contextlib
import dataclasses
import json
import shutil
import signal
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from chex import assert_trees_all_close
from small import PRODUCTS, products_on_a_card, small_dataset

from mttjax.config.recipe import Recipe
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.preprocessing import Standardize
from mttjax.core.training import sgd
from mttjax.experts import store as expert_store
from mttjax.experts import training
from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trainer
from mttjax.experts.training import train_experts
from mttjax.system import units
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
from mttjax.system.signals import Stopped, time_limit

NETWORK = NetworkSpec(depth=1, width=4)
RECIPE = Recipe(NETWORK, "standardize", ("flip",), batch=15)
EXPERTS, EPOCHS = 3, 3


DATASET = small_dataset()


def train(folder, recipe=RECIPE, experts=EXPERTS, epochs=EPOCHS, parallel=1):
    """Trains; returns the store and the lines that were logged."""
    lines, numbers = [], {"experts": experts, "epochs": epochs, "parallel": parallel}
    return train_experts(DATASET, recipe, folder, log=lines.append, **numbers), lines


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Three experts of three epochs, never interrupted."""
    folder = tmp_path_factory.mktemp("experts") / "store"
    return folder, *train(folder)


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "store")


def snapshots(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("0*/*.npz")}


def results(store):
    """The records but for the seconds, which differ from run to run."""
    return [
        [{k: v for k, v in r.items() if k != "seconds"} for r in store.records(expert)]
        for expert in store.numbers()
    ]


NET = make_network(NETWORK, DATASET.image_shape, 3)
ROOT = jax.random.key(5)


# --- what an epoch does ---------------------------------------------------------------


@pytest.fixture(scope="module")
def one_step(tmp_path_factory):
    """One batch of the whole set, no augmentation, one epoch: the order cannot matter."""
    recipe = Recipe(NETWORK, "zca", (), lr=0.25, batch=100, seed=1)
    return train(tmp_path_factory.mktemp("experts"), recipe, experts=1, epochs=1)[0]


@pytest.mark.parametrize("precision", PRODUCTS)
def test_every_product_is_of_the_networks_precision(precision):
    network = make_network(dataclasses.replace(NETWORK, precision=precision), (8, 8, 1), 3)
    normal = Standardize(np.float32([0.5]), np.float32([0.25]))
    trainer = Trainer(network, normal, ("flip",), sgd(), 15, DATASET)
    state = trainer.state(network.init(ROOT))
    trained = trainer._epoch.trace(state, ROOT, *DATASET.train, 0.1)
    tested = trainer._correct.trace(state.params, *trainer._test.here())
    for traced in (trained, tested):
        assert products_on_a_card(traced) == {PRODUCTS[precision]}


def test_an_epoch_is_sgd_on_the_mean_cross_entropy(one_step):
    before, after = (one_step.load(0, epoch, NET.shapes) for epoch in (0, 1))
    normal = one_step.preprocessing
    assert normal.kind == "zca"

    @jax.jit
    @jax.value_and_grad
    def loss(params, images, labels):
        logits = jax.nn.log_softmax(NET.apply(params, images))
        return -jnp.mean(jnp.take_along_axis(logits, labels[:, None], axis=1))

    images, labels = DATASET.train
    value, grads = loss(before, normal(images), labels)
    expected = jax.tree.map(lambda p, g: p - 0.25 * g, before, grads)
    assert_trees_all_close(after, expected, rtol=1e-5, atol=1e-6)
    logits = jax.jit(NET.apply)(after, normal(DATASET.test.images))
    correct = np.argmax(logits, axis=1) == DATASET.test.labels
    _, record = one_step.records(0)
    np.testing.assert_allclose(record["loss"], value, rtol=1e-5)
    np.testing.assert_allclose(record["test_accuracy"], correct.mean(), rtol=1e-6)


def test_every_expert_and_epoch_has_a_snapshot_and_a_record(finished):
    folder, store, lines = finished
    names = {f"{e:04d}/{t:03d}.npz" for e in range(EXPERTS) for t in range(EPOCHS + 1)}
    assert set(snapshots(folder)) == names
    assert store.experts_with(EPOCHS) == [0, 1, 2]
    for records in results(store):
        assert set(records[0]) == {"checksum"}
        known = {"loss", "test_accuracy", "checksum"}
        assert all(set(r) == known for r in records[1:])
        losses = [r["loss"] for r in records[1:]]
        assert losses[0] > losses[-1]
    assert [line.split(":")[0] for line in lines] == ["expert 0", "expert 1", "expert 2"]
    accuracy = store.accuracies()[2][EPOCHS]
    assert lines[2].endswith(f"test accuracy {100 * accuracy:.2f} % after 3 epochs")


def test_experts_epochs_and_seeds_differ(finished, one_step):
    of_seed_0, of_seed_1 = (snapshots(folder) for folder in (finished[0], one_step.folder))
    assert len({*of_seed_0.values(), *of_seed_1.values()}) == EXPERTS * (EPOCHS + 1) + 2


def test_experts_in_threads_have_the_bits_of_those_trained_alone(finished, tmp_path):
    folder, store, _ = finished
    together, lines = train(tmp_path, parallel=2)
    assert [line.split(":")[0] for line in lines] == ["experts 0-1", "expert 2"]
    assert snapshots(tmp_path) == snapshots(folder)
    assert results(together) == results(store)


def test_workers_share_the_experts_and_wait_for_each_other(finished, tmp_path, monkeypatch):
    """One finds an expert in another's hands; both together leave the bytes of one process."""
    folder, store, _ = finished
    monkeypatch.setattr(units, "PAUSE", 0)
    lines, other = [], contextlib.ExitStack()

    def log(line):
        lines.append(line)
        if "waiting for another process" in line:
            other.close()
            share = {"experts": EXPERTS, "epochs": EPOCHS, "worker": 1}
            train_experts(DATASET, RECIPE, tmp_path / "store", log=lines.append, **share)

    with other:
        other.enter_context(exclusive(tmp_path / "store" / "0001"))
        share = {"experts": EXPERTS, "epochs": EPOCHS, "worker": 0}
        shared = train_experts(DATASET, RECIPE, tmp_path / "store", log=log, **share)
    assert [line[:8] for line in lines if "test accuracy" in line] == [
        f"expert {n}" for n in (0, 2, 1)
    ]
    assert snapshots(tmp_path / "store") == snapshots(folder)
    assert results(shared) == results(store)


# --- interrupted, extended, repeated --------------------------------------------------


def test_a_killed_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch):
    """Killed at the worst moment, between a snapshot and its record; another is lost later."""
    folder, write = tmp_path / "store", expert_store.write_manifest
    left = [8]  # one to begin, four for expert 0, then epochs 0, 1, 2 of expert 1

    def killed(*arguments):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        write(*arguments)

    monkeypatch.setattr(expert_store, "write_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        train(folder)
    monkeypatch.undo()
    assert (folder / "0001" / "002.npz").exists()
    assert [ExpertStore(folder).epochs_done(e) for e in range(3)] == [4, 2, 0]
    (folder / "0000" / "003.npz").unlink()

    store, lines = train(folder)
    assert len(lines) == 3
    assert snapshots(folder) == snapshots(finished[0])
    assert results(store) == results(finished[1])


def test_later_epochs_and_experts_have_the_bits_of_a_longer_run(finished, tmp_path):
    """Begun with fewer of both, and stopped there by its log."""

    def log(line):
        raise RuntimeError("terminal closed")

    with pytest.raises(RuntimeError, match="terminal closed"):
        train_experts(DATASET, RECIPE, tmp_path, experts=2, epochs=1, parallel=1, log=log)
    assert set(snapshots(tmp_path)) == {"0000/000.npz", "0000/001.npz"}
    assert [ExpertStore(tmp_path).epochs_done(e) for e in range(2)] == [2, 0]

    store, _ = train(tmp_path)
    assert snapshots(tmp_path) == snapshots(finished[0])
    assert results(store) == results(finished[1])


def test_a_lost_snapshot_is_trained_again_and_nothing_else(copied, finished):
    (copied / "0001" / "001.npz").unlink()
    others = [p for p in copied.rglob("0*.npz") if "0001/001." not in str(p)]
    before = {path: path.stat().st_mtime_ns for path in others}
    store, lines = train(copied)
    assert [line.split(":")[0] for line in lines] == ["expert 1"]
    assert snapshots(copied) == snapshots(finished[0])
    assert results(store) == results(finished[1])
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_what_was_trained_from_another_snapshot_is_trained_again(copied, finished):
    """The one before it is not what the manifest knew, as on another machine."""
    path = copied / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["experts"]["0001"]["epochs"][1]["checksum"] = "00000000"
    del manifest["checksum"]
    path.write_text(json.dumps(manifest))
    (copied / "0001" / "001.npz").unlink()
    (copied / "0001" / "003.npz").write_bytes(b"of another machine")
    train(copied)
    assert snapshots(copied) == snapshots(finished[0])


def test_a_stop_finishes_the_epoch_in_hand(tmp_path, finished, monkeypatch):
    write = expert_store.write_manifest

    def stop(folder, manifest):
        if sum(len(entry["epochs"]) for entry in manifest["experts"].values()) == 6:
            signal.raise_signal(signal.SIGTERM)
        write(folder, manifest)

    monkeypatch.setattr(expert_store, "write_manifest", stop)
    with pytest.raises(Stopped, match="SIGTERM after epoch 1 of expert 1") as stopped:
        train(tmp_path)
    assert stopped.value.signal == signal.SIGTERM
    monkeypatch.undo()
    train(tmp_path)
    assert snapshots(tmp_path) == snapshots(finished[0])


def test_an_epoch_that_would_not_end_in_time_is_not_begun(tmp_path, finished, monkeypatch):
    clock, epochs = [0.0], Trainer.epochs

    def slow(self, *arguments):
        clock[0] += 2000
        return epochs(self, *arguments)

    ticking = SimpleNamespace(monotonic=lambda: clock[0], perf_counter=lambda: clock[0])
    monkeypatch.setattr(training, "time", ticking)
    monkeypatch.setattr(Trainer, "epochs", slow)
    for where in ("after epoch 1 of expert 0", "after epoch 2 of expert 0", "before expert 1"):
        with time_limit(20), pytest.raises(Stopped, match=f"by --minutes {where}"):
            train(tmp_path, experts=2)
    monkeypatch.undo()
    train(tmp_path)
    assert snapshots(tmp_path) == snapshots(finished[0])


def test_two_at_work_in_one_store_are_refused(copied):
    with exclusive(copied), pytest.raises(InputError, match="another process is at work here"):
        train(copied, epochs=4)


def test_a_finished_store_is_left_alone(copied):
    before = {p: p.stat().st_mtime_ns for p in copied.rglob("*")}
    for experts, epochs in [(3, 3), (2, 3), (3, 1)]:
        store, lines = train(copied, experts=experts, epochs=epochs)
        assert lines == [f"{experts} experts of {epochs} epochs are there already: {copied}"]
    assert {p: p.stat().st_mtime_ns for p in copied.rglob("*")} == before
    assert store.epochs_done(0) == 4


# --- what is refused ------------------------------------------------------------------


def test_a_store_keeps_to_the_form_of_its_convolutions(finished, tmp_path, monkeypatch):
    """A CPU begins one with Winograd's; one that was begun without it goes on without it."""
    assert finished[1].recipe.tile == 4
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("mttjax.experts.training.fitting_tile", lambda tile: None)
        train(tmp_path / "store", experts=1, epochs=1)
    assert train(tmp_path / "store", experts=1, epochs=2)[0].recipe.tile is None


def test_another_recipe_is_refused_before_anything_is_trained(copied):
    before = snapshots(copied)
    with pytest.raises(InputError, match=r"another recipe: lr is 0\.01 there and 0\.02 here"):
        train(copied, dataclasses.replace(RECIPE, lr=0.02), epochs=9)
    assert snapshots(copied) == before


@pytest.mark.parametrize(("experts", "epochs"), [(0, 1), (1, -1)])
def test_nothing_to_train_is_refused(experts, epochs, tmp_path):
    with pytest.raises(ValueError, match=f"are needed, got {experts} and {epochs}"):
        train(tmp_path / "store", experts=experts, epochs=epochs)
    assert not (tmp_path / "store").exists()
