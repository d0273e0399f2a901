"""The store: what is whole and in order, what is refused and by which words."""

import json

import numpy as np
import pytest

from mttjax.core.networks import NetworkSpec
from mttjax.core.preprocessing import ZCA, Standardize
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError

RECIPE = {"dataset": "digits", "ops": ["flip", "crop"], "lr": 0.1, "seed": 3}
PREPROCESSING = Standardize(np.float32([0.25]), np.float32([0.5]))


def params(expert, epoch):
    w = 10 * expert + epoch + np.arange(4, dtype=np.float32)
    return {"conv0": {"kernel": w.reshape(2, 2)}, "b": np.float32(epoch)}


def filled(folder, experts=(0, 1), epochs=3):
    """A store of snapshots 0 to ``epochs`` of some experts."""
    store = ExpertStore(folder)
    store.create(RECIPE, PREPROCESSING)
    for expert in experts:
        for epoch in range(epochs + 1):
            store.save(expert, epoch, params(expert, epoch), record={"loss": epoch / 10})
    return store


def losses(store, expert):
    return [record["loss"] for record in store.manifest["experts"][f"{expert:04d}"]["epochs"]]


def edit_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest.pop("checksum", None)  # changed on purpose
    path.write_text(json.dumps(manifest))


def test_snapshots_and_records_are_there_for_the_next_process(tmp_path):
    filled(tmp_path / "store")
    store = ExpertStore(tmp_path / "store")
    assert store.manifest["recipe"] == RECIPE
    for expert in (0, 1):
        for epoch in range(4):
            found = store.load(expert, epoch, params(0, 0))
            np.testing.assert_equal(found, params(expert, epoch))
        assert losses(store, expert) == [0.0, 0.1, 0.2, 0.3]


def test_a_snapshot_is_a_file_named_by_expert_and_epoch(tmp_path):
    filled(tmp_path, experts=(7,), epochs=1)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")) == [
        "0007/000.npz",
        "0007/001.npz",
        "manifest.before.json",
        "manifest.json",
        "preprocessing.npz",
    ]
    with np.load(tmp_path / "0007" / "001.npz") as file:
        assert sorted(file.files) == ["b", "conv0/kernel"]


def test_the_manifest_says_what_decided_the_snapshots(tmp_path):
    manifest = filled(tmp_path).manifest
    assert manifest["format"] == 1
    assert manifest["preprocessing"] == "standardize"
    assert {"jax", "jaxlib", "flax", "optax", "numpy"} <= set(manifest["versions"])
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["created"].endswith("+00:00")


@pytest.mark.parametrize(
    "preprocessing", [PREPROCESSING, ZCA(np.ones(4, np.float32), *np.ones((2, 4, 4), np.float32))]
)
def test_the_preprocessing_comes_back(preprocessing, tmp_path):
    ExpertStore(tmp_path).create(RECIPE, preprocessing)
    found = ExpertStore(tmp_path).preprocessing
    assert type(found) is type(preprocessing)
    np.testing.assert_equal(found._asdict(), preprocessing._asdict())


def test_a_store_is_begun_once(tmp_path):
    filled(tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    other = Standardize(np.float32([0.9]), np.float32([0.9]))
    ExpertStore(tmp_path).create(json.loads(json.dumps(RECIPE)), other)
    assert (tmp_path / "manifest.json").read_bytes() == before
    np.testing.assert_array_equal(ExpertStore(tmp_path).preprocessing.mean, PREPROCESSING.mean)


def test_a_store_made_before_a_network_had_a_norm_is_of_the_usual_norm(tmp_path):
    filled(tmp_path)
    now = {f"network.{name}": value for name, value in vars(NetworkSpec()).items()}
    before = {f"network.{name}": now[f"network.{name}"] for name in ("name", "depth", "width")}
    edit_manifest(tmp_path, lambda m: m["recipe"].update(before))
    ExpertStore(tmp_path).require(RECIPE | now)
    with pytest.raises(InputError, match=r"network\.norm is 'instance' there and 'batch' here"):
        ExpertStore(tmp_path).require(RECIPE | now | {"network.norm": "batch"})
    with pytest.raises(InputError, match=r"network\.width is 128 there and 64 here"):
        ExpertStore(tmp_path).require(RECIPE | now | {"network.width": 64})


# --- what is whole ------------------------------------------------------------------


def test_before_anything_is_made_nothing_is_done(tmp_path):
    store = ExpertStore(tmp_path / "nowhere")
    assert (store.manifest, store.epochs_done(0), store.experts_with(0)) == (None, 0, [])
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


def test_an_epoch_saved_again_replaces_its_record_and_drops_the_later_ones(tmp_path):
    store = filled(tmp_path)
    store.save(0, 2, params(5, 5), record={"loss": 9.0})
    assert losses(ExpertStore(tmp_path), 0) == [0.0, 0.1, 9.0]
    assert store.epochs_done(0) == 3
    np.testing.assert_equal(store.load(0, 2, params(0, 0)), params(5, 5))


def test_experts_are_listed_by_number(tmp_path):
    filled(tmp_path, experts=(11, 2, 0), epochs=1)
    assert ExpertStore(tmp_path).experts_with(1) == [0, 2, 11]


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.2}, "lr is 0.1 there and 0.2 here"),
        ({"ops": ["flip"]}, r"ops is \['flip', 'crop'\] there and \['flip'\] here"),
        ({"seed": 4, "lr": 1}, "lr is 0.1 there and 1 here; seed is 3 there and 4 here"),
        ({"new": 1}, "new is None there and 1 here"),
    ],
)
def test_another_recipe_is_refused_and_the_fields_named(change, message, tmp_path):
    filled(tmp_path)
    store = ExpertStore(tmp_path)
    for refuse in (store.require, lambda recipe: store.create(recipe, PREPROCESSING)):
        with pytest.raises(InputError, match=message + r"\. Use those settings, or .*--experts"):
            refuse(RECIPE | change)


def test_a_field_that_is_gone_is_named(tmp_path):
    store = filled(tmp_path)
    with pytest.raises(InputError, match="seed is 3 there and None here"):
        store.require({n: v for n, v in RECIPE.items() if n != "seed"})


def test_a_missing_snapshot_is_named_and_the_remedy_said(tmp_path):
    store = filled(tmp_path)
    store.snapshot_path(1, 2).unlink()
    message = r"0001/002\.npz: no such snapshot; run the train_experts command"
    with pytest.raises(InputError, match=message):
        store.load(1, 2, params(0, 0))


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b.replace(b"@", b"A")])
def test_a_damaged_snapshot_is_named(damage, tmp_path):
    store = filled(tmp_path)
    path = store.snapshot_path(0, 3)
    whole = path.read_bytes()
    assert damage(whole) != whole
    path.write_bytes(damage(whole))
    with pytest.raises(InputError, match=r"0000/003\.npz: not a whole \.npz"):
        store.load(0, 3, params(0, 0))


def test_a_snapshot_of_another_network_is_named(tmp_path):
    store = filled(tmp_path)
    like = params(0, 0) | {"conv0": {"kernel": np.zeros((4, 4), np.float32)}}
    with pytest.raises(InputError, match=r"000\.npz: expected conv0/kernel as \(4, 4\)"):
        store.load(0, 0, like)


@pytest.mark.parametrize("version", [2, None])
def test_a_store_of_another_format_is_refused(version, tmp_path):
    filled(tmp_path)
    edit_manifest(tmp_path, lambda m: m.update(format=version))
    with pytest.raises(InputError, match=f"manifest.json: the store's format is {version}, .* 1;"):
        ExpertStore(tmp_path)


def test_a_damaged_manifest_is_named_and_the_one_before_it_taken(tmp_path):
    filled(tmp_path)
    path, before = tmp_path / "manifest.json", tmp_path / "manifest.before.json"
    path.write_text(path.read_text()[:-20])
    lines = []
    store = ExpertStore(tmp_path, lines.append)
    assert [store.epochs_done(e) for e in (0, 1)] == [4, 3]
    assert "manifest.json: not valid JSON" in lines[0]
    before.write_text(before.read_text().replace("0.1", "0.2", 1))
    with pytest.raises(InputError, match=r"not valid JSON.*manifest\.before\.json: its checksum"):
        ExpertStore(tmp_path)
    for damaged in (path, before):
        damaged.unlink()
    with pytest.raises(InputError, match=r"snapshots are here and manifest\.json is gone"):
        ExpertStore(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(experts=[]),
        lambda m: m.pop("recipe"),
        lambda m: m["experts"].update({"0000": {"epochs": "four"}}),
        lambda m: m["experts"].update({"0000": {"epochs": [1]}}),
        lambda m: m["experts"].update({"../../x": {"epochs": []}}),
    ],
)
def test_a_manifest_of_other_things_is_refused(change, tmp_path):
    filled(tmp_path)
    edit_manifest(tmp_path, change)
    with pytest.raises(InputError, match="expected"):
        ExpertStore(tmp_path)


def test_a_snapshot_put_in_the_place_of_another_is_found(tmp_path):
    store = filled(tmp_path)
    store.snapshot_path(0, 1).write_bytes(store.snapshot_path(1, 1).read_bytes())
    with pytest.raises(InputError, match=r"0000/001\.npz: its arrays have the checksum"):
        store.load(0, 1, params(0, 0))


def test_one_snapshot_saved_again_with_its_content_keeps_the_later_ones(tmp_path):
    store = filled(tmp_path)
    store.snapshot_path(0, 1).unlink()
    assert store.missing(0, 3) == [1]
    assert store.save(0, 1, params(0, 1), record={"loss": 0.1})
    assert losses(ExpertStore(tmp_path), 0) == [0.0, 0.1, 0.2, 0.3]
    assert not store.save(0, 1, params(7, 1), record={"loss": 0.5})
    assert ExpertStore(tmp_path).missing(0, 3) == [2, 3]


def test_which_images_an_expert_knew_come_back_bit_by_bit(tmp_path):
    """Eleven images: the last byte of bits is not full."""
    store = filled(tmp_path, experts=(0,), epochs=0)
    rng = np.random.default_rng(0)
    correct = rng.random((3, 11)) < 0.5
    for epoch, known in enumerate(correct, 1):
        store.save(0, epoch, params(0, epoch), record={}, correct=known)
    found = ExpertStore(tmp_path).correct(0, 3)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, correct)


def test_a_store_from_before_the_record_was_kept_says_so(tmp_path):
    store = filled(tmp_path, experts=(0,), epochs=2)
    with pytest.raises(InputError, match=r"001\.correct\.npz: no record of which images"):
        store.correct(0, 2)
