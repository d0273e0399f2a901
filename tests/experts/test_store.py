"""The store: what is whole and in order, what is refused and by which words."""

import dataclasses
import json

import numpy as np
import pytest
from small import small_dataset

from mttjax.config.recipe import Recipe
from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import ZCA, Standardize
from mttjax.datasets.dataset import Split
from mttjax.experts.manifest import MANIFEST, enter_manifest
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError

DATASET = small_dataset()
RECIPE = Recipe(NetworkSpec(depth=1, width=4), ops=("flip", "crop"), lr=0.1, seed=3)
PREPROCESSING = Standardize(np.float32([0.25]), np.float32([0.5]))


def params(expert, epoch):
    w = 10 * expert + epoch + np.arange(4, dtype=np.float32)
    return {"conv0": {"kernel": w.reshape(2, 2)}, "b": np.float32(epoch)}


def filled(folder, experts=(0, 1), epochs=3):
    """A store of snapshots 0 to ``epochs`` of some experts."""
    store = ExpertStore(folder)
    store.create(RECIPE, DATASET, PREPROCESSING)
    for expert in experts:
        for epoch in range(epochs + 1):
            record = {"test_accuracy": epoch / 10, "seconds": 2.0} if epoch else {}
            store.save(expert, epoch, params(expert, epoch), record=record)
    return store


def edit_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest.pop("checksum", None)  # changed on purpose
    path.write_text(json.dumps(manifest))


def test_snapshots_and_records_are_there_for_the_next_process(tmp_path):
    filled(tmp_path / "store", experts=(11, 2, 0))
    store = ExpertStore(tmp_path / "store")
    assert store.exists
    assert store.recipe == RECIPE
    assert store.numbers() == [0, 2, 11]
    for expert in store.numbers():
        for epoch in range(4):
            np.testing.assert_equal(store.load(expert, epoch, params(0, 0)), params(expert, epoch))
    assert store.accuracies() == [{1: 0.1, 2: 0.2, 3: 0.3}] * 3
    assert store.seconds([2, 11], 2) == 8
    assert store.made["created"].endswith("+00:00")
    assert store.made["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    "preprocessing", [PREPROCESSING, ZCA(np.ones(4, np.float32), *np.ones((2, 4, 4), np.float32))]
)
def test_the_preprocessing_comes_back(preprocessing, tmp_path):
    ExpertStore(tmp_path).create(RECIPE, DATASET, preprocessing)
    found = ExpertStore(tmp_path).preprocessing
    assert type(found) is type(preprocessing)
    np.testing.assert_equal(found._asdict(), preprocessing._asdict())


# --- what is whole ------------------------------------------------------------------


def test_several_processes_enter_their_snapshots_in_one_manifest(tmp_path):
    first = filled(tmp_path, experts=(), epochs=0)
    second = ExpertStore(tmp_path)
    for epoch in range(3):
        for expert, store in enumerate((first, second)):
            store.save(expert, epoch, params(expert, epoch), record={})
    second.refresh()
    assert [second.epochs_done(expert) for expert in ExpertStore(tmp_path).numbers()] == [3, 3]


def test_before_anything_is_made_nothing_is_done(tmp_path):
    store = ExpertStore(tmp_path / "nowhere")
    assert not store.exists
    assert (store.epochs_done(0), store.experts_with(0), store.missing(0, 1)) == (0, [], [0, 1])
    with pytest.raises(InputError, match="nowhere: no experts there; train them"):
        _ = store.recipe
    assert not (tmp_path / "nowhere").exists()


def test_snapshots_count_up_to_the_first_gap(tmp_path):
    store = filled(tmp_path)
    assert [store.epochs_done(e) for e in (0, 1, 2)] == [4, 4, 0]
    store.snapshot_path(1, 2).unlink()
    assert store.epochs_done(1) == 2
    assert store.experts_with(1) == [0, 1]
    assert store.experts_with(2) == store.experts_with(3) == [0]
    assert store.experts_with(4) == []


def test_a_snapshot_without_its_record_does_not_count(tmp_path):
    """Killed between the two: the snapshot is there, its record is not."""
    filled(tmp_path)
    edit_manifest(tmp_path, lambda m: m["experts"]["0000"]["epochs"].pop())
    edit_manifest(tmp_path, lambda m: m["experts"].pop("0001"))
    store = ExpertStore(tmp_path)
    assert [store.epochs_done(e) for e in (0, 1)] == [3, 0]


def test_a_snapshot_saved_again_keeps_the_later_ones_if_it_is_the_same(tmp_path):
    store = filled(tmp_path)
    store.snapshot_path(0, 1).unlink()
    assert store.missing(0, 3) == [1]
    assert store.save(0, 1, params(0, 1), record={"test_accuracy": 0.1})
    assert ExpertStore(tmp_path).accuracies()[0] == {1: 0.1, 2: 0.2, 3: 0.3}
    assert not store.save(0, 1, params(7, 1), record={"test_accuracy": 0.5})
    assert ExpertStore(tmp_path).missing(0, 3) == [2, 3]
    assert ExpertStore(tmp_path).accuracies()[0] == {1: 0.5}
    np.testing.assert_equal(store.load(0, 1, params(0, 0)), params(7, 1))


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.2, "seed": 4}, "lr is 0.1 there and 0.2 here; seed is 3 there and 4 here"),
        ({"batch": 16}, "batch is 256 there and 16 here"),
        ({"ops": ("flip",)}, r"ops is \['flip', 'crop'\] there and \['flip'\] here"),
        ({"preprocessing": "zca"}, "preprocessing is 'standardize' there and 'zca' here"),
        ({"statistics": "mnist"}, "statistics is None there and 'mnist' here"),
        ({"network": NetworkSpec(depth=1, width=8)}, "network.width is 4 there and 8 here"),
    ],
)
def test_another_recipe_is_refused_and_the_fields_named(change, message, tmp_path):
    store = filled(tmp_path, epochs=0)
    store.require(RECIPE, DATASET)
    with pytest.raises(InputError, match=message + r"\. Use those settings, or .*another folder"):
        store.require(dataclasses.replace(RECIPE, **change), DATASET)


def test_other_training_images_are_refused(tmp_path):
    store = filled(tmp_path, epochs=0)
    images, labels = DATASET.train
    pixel, label = images.copy(), labels.copy()
    pixel[5, 3, 3, 0] ^= 1
    label[7] = (label[7] + 1) % 3
    for change, field in [
        ({"train": Split(pixel, labels)}, "data.checksum"),
        ({"train": Split(images, label)}, "data.checksum"),
        ({"train": Split(images[:20], labels[:20])}, r"data.shape is \[30, 8, 8, 1\]"),
    ]:
        with pytest.raises(InputError, match=field):
            store.require(RECIPE, dataclasses.replace(DATASET, **change))


def test_a_renamed_folder_of_the_same_images_is_the_same_data(tmp_path):
    filled(tmp_path, epochs=0).require(RECIPE, dataclasses.replace(DATASET, name="mine"))


def test_a_snapshot_of_another_network_is_named(tmp_path):
    store = filled(tmp_path)
    like = params(0, 0) | {"conv0": {"kernel": np.zeros((4, 4), np.float32)}}
    with pytest.raises(InputError, match=r"000\.npz: expected conv0/kernel as \(4, 4\)"):
        store.load(0, 0, like)


def test_a_snapshot_put_in_the_place_of_another_is_found(tmp_path):
    store = filled(tmp_path)
    store.snapshot_path(0, 1).write_bytes(store.snapshot_path(1, 1).read_bytes())
    with pytest.raises(InputError, match=r"0000/001\.npz: its arrays have the checksum"):
        store.load(0, 1, params(0, 0))


def test_snapshots_without_a_manifest_are_refused(tmp_path):
    filled(tmp_path)
    for path in tmp_path.glob("manifest*.json"):
        path.unlink()
    with pytest.raises(InputError, match=r"snapshots are here and manifest\.json is gone"):
        ExpertStore(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format=1), "manifest.json: the store's format is 1, .* reads 2; train"),
        (lambda m: m.update(experts=[]), r"experts is \[\], expected dict"),
        (lambda m: m["recipe"].pop("ops"), "recipe is KeyError.'ops'.*, expected that of experts"),
        (lambda m: m["recipe"].update(lr="fast"), "recipe is InputError.*lr is 'fast'"),
        (lambda m: m["recipe"].update(new=1), "recipe is TypeError"),
        (lambda m: m["experts"].update({"0000": {"epochs": "four"}}), "'four', expected a record"),
        (lambda m: m["experts"].update({"0000": {"epochs": [1]}}), r"\[1\], expected a record"),
    ],
)
def test_a_manifest_of_other_things_is_refused(change, message, tmp_path):
    filled(tmp_path)
    edit_manifest(tmp_path, change)
    with pytest.raises(InputError, match=message):
        ExpertStore(tmp_path)


def test_a_store_knows_which_test_images_its_accuracies_are_of(tmp_path):
    store = filled(tmp_path)
    fewer = dataclasses.replace(DATASET, test=Split(*(part[:-1] for part in DATASET.test)))
    assert ExpertStore(tmp_path).tested_on(DATASET)
    assert not ExpertStore(tmp_path).tested_on(fewer)
    assert store.made.keys() == {"created", "versions"}


def test_what_a_worker_made_in_a_folder_of_its_own_is_entered(tmp_path):
    """Experts 0 and 2 are here, the second of two epochs; 1 and 2 of three were made apart."""
    filled(tmp_path / "here", experts=(0,))
    filled(tmp_path / "here2", experts=(2,), epochs=2)
    apart = filled(tmp_path / "apart", experts=(1, 2))
    for store in ("here2", "apart"):
        for path in sorted((tmp_path / store).rglob("*.*")):
            place = tmp_path / "here" / path.relative_to(tmp_path / store)
            if not enter_manifest(place, path.read_bytes(), None):
                place.parent.mkdir(exist_ok=True)
                place.write_bytes(path.read_bytes())
    store = ExpertStore(tmp_path / "here")
    assert store.experts_with(2) == [0, 1, 2]
    assert store.records(1) == apart.records(1)
    assert not [p.name for p in store.folder.iterdir() if "received" in p.name]
    known = (apart.folder / MANIFEST).read_bytes()
    assert enter_manifest(tmp_path / "new" / MANIFEST, known, None)
    assert ExpertStore(tmp_path / "new").numbers() == [1, 2]


def test_of_what_two_workers_have_only_what_each_trained_is_entered(tmp_path):
    """One trained a snapshot of expert 0 anew, on other hardware; the other did not see it."""
    here, first, second = (filled(tmp_path / name) for name in ("here", "first", "second"))
    sent = (here.folder / MANIFEST).read_bytes()
    first.save(0, 2, params(0, 9), record={})
    second.save(1, 0, params(1, 0), record={"anew": True})
    for store in (first, second):
        enter_manifest(here.folder / MANIFEST, (store.folder / MANIFEST).read_bytes(), sent)
    entered = ExpertStore(here.folder)
    assert entered.record(0, 2) == first.record(0, 2) != here.record(0, 2)
    assert entered.record(1, 0)["anew"]
