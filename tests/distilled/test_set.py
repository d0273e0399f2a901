"""The distilled set: its fields, its file, its PNGs."""

import dataclasses
import json
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image
from small import small_set

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.preprocessing import Standardize, fit_preprocessing
from mttjax.distilled import export_pngs, load_distilled, save_distilled
from mttjax.distilled.pngs import folder_names
from mttjax.system.errors import InputError
from mttjax.system.files import read_json

RESULTS = Path(__file__).resolve().parents[2] / "results"
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 4, 3), np.uint8)


def make(preprocessing="standardize", pixels=PIXELS, **changes):
    """Two images for each of three classes."""
    if isinstance(preprocessing, str):
        preprocessing = fit_preprocessing(preprocessing, pixels)
    fields = {
        "images": np.asarray(preprocessing(pixels)),
        "preprocessing": preprocessing,
        "ops": ("color", "crop"),
        "class_names": ("cat", "dog", "Ångström λ"),
        "versions": {"jax": "0.9"},
    }
    return small_set(2, **fields | changes)


@pytest.mark.parametrize("kind", ["standardize", "zca"])
def test_a_set_comes_back_as_it_was(tmp_path, kind):
    mine = make(kind)
    save_distilled(tmp_path / "set.npz", mine)
    loaded = load_distilled(tmp_path / "set.npz")
    np.testing.assert_equal(vars(loaded), vars(mine))
    types = [[type(value) for value in vars(s).values()] for s in (loaded, mine)]
    assert types[0] == types[1]


def test_equal_sets_give_equal_bytes_whatever_the_order_in_memory(tmp_path):
    mine = make()
    same = {"settings": dict(reversed(mine.settings.items())), "lr": np.float64(mine.lr)}
    other = make(images=np.asfortranarray(mine.images), **same)
    save_distilled(tmp_path / "a.npz", mine)
    save_distilled(tmp_path / "b.npz", other)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("kind", ["standardize", "zca"])
def test_pixels_classes_and_ipc(kind):
    mine = make(kind)
    np.testing.assert_array_equal(mine.pixels(), PIXELS)
    assert mine.classes.tolist() == [0, 0, 1, 1, 2, 2]
    assert mine.ipc == 2


@pytest.mark.parametrize(("value", "pixel"), [(99, 255), (-99, 0)])
def test_pixels_are_clipped_not_wrapped(value, pixel):
    assert (make(images=np.full((6, 5, 4, 3), value, np.float32)).pixels() == pixel).all()


def test_its_representation_is_a_few_lines():
    text = repr(make(images=np.zeros((6, 5, 4, 3), np.float32)))
    assert len(text) < 400
    for said in ("bright: 6 images of 5x4x3, 2 for each of 3", "mtt, step 3", "0.05", "color crop"):
        assert said in text
    assert "augmentation none" in repr(make("zca", ops=(), settings={}))


LABELS = np.full((6, 3), 1 / 3, np.float32)
BAD_FIELDS = [
    ("images", np.zeros((6, 5, 4), np.float32)),
    ("images", np.zeros((0, 5, 4, 3), np.float32)),
    ("images", np.zeros((6, 5, 4, 3))),
    ("images", np.full((6, 5, 4, 3), np.nan, np.float32)),
    ("labels", LABELS[:5]),
    ("labels", LABELS * 1.1),
    ("labels", np.tile(np.float32([[2, -1, 0]]), (6, 1))),
    ("labels", np.zeros(6, np.int64)),
    ("lr", 0.0),
    ("preprocessing", "zca"),
    ("preprocessing.mean", Standardize(np.zeros(4, np.float32), np.ones(3, np.float32))),
    ("preprocessing.std", Standardize(np.zeros(3, np.float32), np.zeros(3, np.float32))),
    ("ops", ("color", "colour")),
    ("class_names", ("cat", "dog")),
    ("class_names", (0, 1, 2)),
    ("dataset", None),
    ("settings", []),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(InputError, match=field):
        dataclasses.replace(make(), **{field.split(".")[0]: value})


def test_settings_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"set\.npz.*settings"):
        save_distilled(tmp_path / "set.npz", make(settings={"folder": tmp_path}))
    assert not list(tmp_path.iterdir())


def rewrite(path, *, without=None, said=None, **arrays):
    """Writes a set's file without a member, with other metadata or with other arrays."""
    with np.load(path) as file:
        members = {name: file[name] for name in file.files if name != without}
    if said:
        record = json.loads(members["metadata"].item()) | said
        members["metadata"] = np.array(json.dumps(record))
    np.savez(path, **members | arrays)


BAD_FILES = [
    ("members", {"without": "images"}),
    ("members", {"without": "metadata"}),
    ("preprocessing", {"without": "preprocessing_std"}),
    ("preprocessing.*pca", {"said": {"preprocessing": "pca"}}),
    (r"preprocessing\.mean", {"preprocessing_mean": np.array(["a", "b", "c"])}),
    ("images", {"images": np.zeros((6, 5, 4, 3), np.int32)}),
    *(("metadata", {"metadata": np.array(text)}) for text in ("", "[]", "[" * 100_000)),
    ("format.*3", {"said": {"format": 3}}),
    ("lr", {"said": {"lr": "0.1"}}),
    ("ops", {"said": {"ops": [["color"]]}}),
    (r"network\.depth", {"said": {"network": vars(NetworkSpec()) | {"depth": "3"}}}),
    ("network.*colour", {"said": {"network": {"name": "convnet", "colour": 3}}}),
    ("seed", {"said": {"seed": "zero"}}),
]


@pytest.mark.parametrize(("message", "change"), BAD_FILES)
def test_a_bad_file_is_named_with_the_field(tmp_path, message, change):
    path = tmp_path / "set.npz"
    save_distilled(path, make())
    rewrite(path, **change)
    with pytest.raises(InputError, match=f"set.npz: (?s:.*){message}"):
        load_distilled(path)


def test_the_sets_of_this_repository_load():
    paths = sorted(RESULTS.rglob("*.npz"))
    assert len(paths) >= 24  # twelve methods at two sizes
    for path in paths:
        mine = load_distilled(path)
        assert make_network(mine.network, mine.images.shape[1:], len(mine.class_names)).per_image


@pytest.mark.parametrize("channels", [1, 3])
def test_exported_pngs_hold_the_pixels_class_by_class(tmp_path, channels):
    pixels = PIXELS[..., :channels]
    mine = make(pixels=pixels)
    for _ in range(2):
        paths = export_pngs(mine, tmp_path / "out")
    assert [p.relative_to(tmp_path / "out").as_posix() for p in paths] == [
        f"{name}/00{i}.png" for name in mine.class_names for i in (0, 1)
    ]
    read = np.stack([np.asarray(Image.open(p)) for p in paths])
    np.testing.assert_array_equal(read.reshape(pixels.shape), pixels)


def test_beside_the_pngs_stands_how_they_are_used(tmp_path):
    mine = make()
    export_pngs(mine, tmp_path)
    how = read_json(tmp_path / "how_to_use.json")
    assert (how["learning_rate"], tuple(how["augmentation"])) == (mine.lr, mine.ops)
    assert how["network"]["depth"] == mine.network.depth
    assert how["labels"] == {
        f"{name}/00{i}.png": k for k, name in enumerate(mine.class_names) for i in (0, 1)
    }
    # What it says of the preprocessing makes the set's images of the pixels.
    mean, std = (np.array(how["preprocessing"][name]) for name in ("mean", "std"))
    read = np.stack([np.asarray(Image.open(tmp_path / name)) for name in how["labels"]])
    np.testing.assert_allclose(
        (read.reshape(mine.images.shape) / 255 - mean) / std,
        mine.images,
        atol=0.5 / 255 / std.min(),
    )


def test_soft_labels_are_in_no_folder_but_beside(tmp_path):
    mine = make(labels=np.float32([[0.5, 0.3, 0.2]] * 6))
    paths = export_pngs(mine, tmp_path)
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == [f"00{i}.png" for i in range(6)]
    labels = read_json(tmp_path / "how_to_use.json")["labels"]
    assert list(labels) == [path.name for path in paths]
    np.testing.assert_allclose(list(labels.values()), mine.labels)
    assert mine.has_soft_labels
    assert not make().has_soft_labels


def test_the_share_of_pixels_that_are_clipped_is_known(tmp_path):
    assert make().clipped() == 0  # real pixels, with all that float32 rounds
    preprocessing = make().preprocessing
    shown = np.full(PIXELS.shape, 0.5, np.float32)
    shown[0] = 1.1
    shown[1] = -0.01
    shown[2] = 1.0019  # within half a level of white
    mine = make(images=np.asarray(preprocessing(255 * shown)))
    assert mine.clipped() == pytest.approx(2 / 6)
    export_pngs(mine, tmp_path)
    assert read_json(tmp_path / "how_to_use.json")["clipped"] == mine.clipped()


@pytest.mark.parametrize(
    "names", [("../x", "/etc", ".."), ("a", "a-2", "A"), ("con", "NUL.txt", "")]
)
def test_class_names_neither_escape_nor_collide(tmp_path, names):
    inside = tmp_path / "inside"
    paths = export_pngs(make(class_names=names), inside)
    assert len(set(paths)) == 6
    assert len({p.parent.name.casefold() for p in paths}) == 3
    assert all(p.resolve().parent.parent == inside.resolve() for p in paths)
    assert sorted(tmp_path.rglob("*.png")) == sorted(paths)


@hypothesis.given(st.lists(st.text(st.characters() | st.sampled_from("./\\:~ \0")), min_size=1))
def testfolder_names_are_single_distinct_and_short(names):
    made = folder_names(names)
    assert len({name.casefold() for name in made}) == len(names)
    for name in made:
        assert Path(name).parts == (name,)
        assert name not in (".", "..")
        assert not set(name) & set('/\\:*?"<>|\0~')
        assert len(name.encode("utf-8", "surrogatepass")) <= 255


def test_export_does_not_mix_with_other_pngs(tmp_path):
    mine = make()
    export_pngs(mine, tmp_path)
    half = make(images=mine.images[::2], labels=mine.labels[::2])
    with pytest.raises(InputError, match=r"001\.png"):
        export_pngs(half, tmp_path)
    with pytest.raises(InputError, match="is a file"):
        export_pngs(half, tmp_path / "cat" / "000.png")


def test_export_needs_one_or_three_channels(tmp_path):
    preprocessing = Standardize(np.zeros(2, np.float32), np.ones(2, np.float32))
    with pytest.raises(InputError, match="2"):
        export_pngs(make(preprocessing, pixels=PIXELS[..., :2]), tmp_path)
