"""Buffers of the published code into a store, and back."""

import dataclasses
import tracemalloc
from pathlib import Path

import jax
import numpy as np
import pytest
from small import small_dataset

from mttjax.config.recipe import Recipe
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.networks.torch_order import to_torch_order
from mttjax.core.preprocessing import fit_preprocessing
from mttjax.experts import ExpertStore, check_store, train_experts
from mttjax.experts.official import export_buffers, import_buffers, last_accuracies
from mttjax.system.errors import InputError
from mttjax.system.findings import Findings
from mttjax.system.torch_reading import open_torch
from mttjax.system.torch_writing import write_torch

FILES = Path(__file__).resolve().parents[1] / "torch_files"
BUFFER = FILES / "replay_buffer_0.pt"
RECIPE = Recipe(network=NetworkSpec(depth=1, width=2), ops=())
DATA = small_dataset()
PREPROCESSING = fit_preprocessing("standardize", DATA.train.images)


def imported(folder, paths=(BUFFER,), recipe=RECIPE):
    return import_buffers(paths, folder, recipe, DATA, PREPROCESSING)


def tensors(path):
    with open_torch(path) as buffer:
        return [[[t.read() for t in snapshot] for snapshot in expert] for expert in buffer]


def assert_same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_buffer_becomes_a_store_that_says_where_it_is_from(tmp_path):
    store = imported(tmp_path / "store")
    assert ExpertStore(tmp_path / "store").source.keys() == {"replay_buffer_0.pt"}
    assert store.experts_with(2) == [0, 1]
    network = make_network(RECIPE.network, DATA.image_shape, 3)
    assert_same(to_torch_order(store.load(1, 2, network.shapes)), tensors(BUFFER)[1][2])
    store.require(RECIPE, DATA)
    findings = Findings()
    assert check_store(store.folder, findings) == "store of 2 experts with 2 epochs"
    assert not findings.faults
    accuracies = last_accuracies(store, DATA)
    assert list(accuracies) == [0, 1]
    assert all(0 <= accuracy <= 1 for accuracy in accuracies.values())


def test_several_buffers_go_in_the_order_of_their_numbers(tmp_path):
    held, paths = tensors(BUFFER), []
    for number in (10, 9):
        paths.append(tmp_path / f"replay_buffer_{number}.pt")
        write_torch(paths[-1], [[[t + number for t in snapshot] for snapshot in held[0]]])
    store = imported(tmp_path / "store", paths)
    network = make_network(RECIPE.network, DATA.image_shape, 3)
    for expert, number in enumerate((9, 10)):
        expected = [t + number for t in held[0][0]]
        assert_same(to_torch_order(store.load(expert, 0, network.shapes)), expected)


def test_a_store_goes_back_to_the_same_tensors(tmp_path):
    store = imported(tmp_path / "store")
    (path,) = export_buffers(store, tmp_path / "out")
    assert path.name == "replay_buffer_0.pt"
    assert_same(tensors(path), tensors(BUFFER))
    paths = export_buffers(store, tmp_path / "one", per_file=1)
    assert [p.name for p in paths] == ["replay_buffer_0.pt", "replay_buffer_1.pt"]
    assert_same(tensors(paths[1])[0], tensors(BUFFER)[1])


def test_a_store_trained_here_goes_out_and_in_again(tmp_path):
    trained = train_experts(DATA, RECIPE, tmp_path / "store", experts=2, epochs=1)
    again = imported(tmp_path / "again", export_buffers(trained, tmp_path / "out"))
    shapes = make_network(RECIPE.network, DATA.image_shape, 3).shapes
    assert_same(again.load(1, 1, shapes), trained.load(1, 1, shapes))
    told = last_accuracies(again, DATA)
    assert [told[n] for n in (0, 1)] == [accuracies[1] for accuracies in trained.accuracies()]


def test_epochs_that_share_their_numbers_are_refused(tmp_path):
    with pytest.raises(InputError, match="expert 0, epoch 1: its numbers are those of another"):
        imported(tmp_path / "store", [FILES / "replay_buffer_shared.pt"])
    assert not (tmp_path / "store").exists()


def test_what_is_no_buffer_of_this_network_is_refused_before_the_store_is_begun(tmp_path):
    wide = Recipe(network=NetworkSpec(depth=1, width=4), ops=())
    with pytest.raises(InputError, match=r"2x1x3x3 .*depth 1 and width 2\?.*4x1x3x3"):
        imported(tmp_path / "store", recipe=wide)
    for name in ("images_best.pt", "data.pt", "res_DM_bright_ConvNet_2ipc.pt"):
        with pytest.raises(InputError, match="not a buffer"):
            imported(tmp_path / "store", [FILES / name])
    write_torch(tmp_path / "text.pt", [[["text"]]])
    with pytest.raises(InputError, match="something else than tensors"):
        imported(tmp_path / "store", [tmp_path / "text.pt"])
    with pytest.raises(InputError, match="at least one"):
        imported(tmp_path / "store", [])
    assert not (tmp_path / "store").exists()


def test_a_conversion_that_was_stopped_goes_on(tmp_path):
    whole = imported(tmp_path / "whole")
    store = imported(tmp_path / "store")
    for epoch in (1, 2):
        store.snapshot_path(1, epoch).unlink()
    kept = store.snapshot_path(0, 1).stat().st_mtime_ns
    imported(tmp_path / "store")
    assert store.snapshot_path(0, 1).stat().st_mtime_ns == kept
    for expert in (0, 1):
        for epoch in range(3):
            a, b = (s.snapshot_path(expert, epoch).read_bytes() for s in (store, whole))
            assert a == b


def test_nothing_is_put_beside_converted_experts(tmp_path):
    imported(tmp_path / "store")
    write_torch(tmp_path / "replay_buffer_0.pt", tensors(BUFFER)[:1])
    with pytest.raises(InputError, match="a store of others is there"):
        imported(tmp_path / "store", [tmp_path / "replay_buffer_0.pt"])
    with pytest.raises(InputError, match="trained by another recipe: lr is"):
        imported(tmp_path / "store", recipe=dataclasses.replace(RECIPE, lr=0.1))
    with pytest.raises(InputError, match=r"converted from replay_buffer_0.pt"):
        train_experts(DATA, RECIPE, tmp_path / "store", experts=3, epochs=2)


def test_an_empty_store_has_nothing_to_write(tmp_path):
    with pytest.raises(InputError, match="no expert there has an epoch"):
        export_buffers(ExpertStore(tmp_path), tmp_path / "out")


def test_a_buffer_is_converted_a_snapshot_at_a_time(tmp_path):
    recipe = Recipe(network=NetworkSpec(depth=1, width=2048), ops=())
    shapes = make_network(recipe.network, DATA.image_shape, 3).shapes
    one = [np.zeros(s, np.float32) for s in map(np.shape, to_torch_order(zeros(shapes)))]
    write_torch(tmp_path / "replay_buffer_0.pt", [[one] * 20, [one] * 20])
    size = (tmp_path / "replay_buffer_0.pt").stat().st_size
    tracemalloc.start()
    store = imported(tmp_path / "store", [tmp_path / "replay_buffer_0.pt"], recipe)
    export_buffers(store, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2


def zeros(shapes):
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
