"""The distilled set: its fields, its file, its PNGs."""

import dataclasses
import functools
import json
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.preprocessing import Standardize, fit_preprocessing
from mttjax.distilled import DistilledSet, export_pngs, load_distilled, save_distilled
from mttjax.distilled.pngs import _folder_names
from mttjax.system.errors import InputError

RESULTS = Path(__file__).resolve().parents[2] / "results"
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 5, 4, 3), np.uint8)


def make(preprocessing="standardize", pixels=PIXELS, **changes):
    if isinstance(preprocessing, str):
        preprocessing = fit_preprocessing(preprocessing, pixels)
    fields = {
        "images": np.asarray(preprocessing(pixels)),
        "labels": np.repeat(np.eye(3, dtype=np.float32), 2, axis=0),
        "lr": 0.0213,
        "preprocessing": preprocessing,
        "ops": ("color", "crop"),
        "network": NetworkSpec(depth=2, width=16),
        "dataset": "mine",
        "class_names": ("cat", "dog", "Ångström λ"),
        "seed": 7,
        "settings": {"method": "mtt", "step": 40, "distill": {"steps": 5, "lr_img": 1e-3}},
        "versions": {"jax": "0.9"},
    }
    return DistilledSet(**fields | changes)


@pytest.mark.parametrize("kind", ["standardize", "zca"])
def test_a_set_comes_back_as_it_was(tmp_path, kind):
    mine = make(kind)
    save_distilled(tmp_path / "set.npz", mine)
    loaded = load_distilled(tmp_path / "set.npz")
    for field in dataclasses.fields(DistilledSet):
        before, after = getattr(mine, field.name), getattr(loaded, field.name)
        assert type(before) is type(after), field.name
        if field.name in ("images", "labels"):
            np.testing.assert_array_equal(before, after)
        elif field.name == "preprocessing":
            for a, b in zip(before, after, strict=True):
                np.testing.assert_array_equal(a, b)
        else:
            assert before == after, field.name


def test_equal_sets_give_equal_bytes_whatever_the_order_in_memory(tmp_path):
    mine = make()
    other = make(
        images=np.asfortranarray(mine.images),
        settings=dict(reversed(mine.settings.items())),
        lr=np.float64(mine.lr),
    )
    save_distilled(tmp_path / "a.npz", mine)
    save_distilled(tmp_path / "b.npz", other)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("kind", ["standardize", "zca"])
def test_pixels_classes_and_ipc(kind):
    mine = make(kind)
    np.testing.assert_array_equal(mine.pixels(), PIXELS)
    assert mine.classes.tolist() == [0, 0, 1, 1, 2, 2]
    assert mine.ipc == 2


def test_pixels_are_clipped_not_wrapped():
    assert make(images=np.full((6, 5, 4, 3), 99, np.float32)).pixels().min() == 255
    assert make(images=np.full((6, 5, 4, 3), -99, np.float32)).pixels().max() == 0


def test_its_representation_is_a_few_lines():
    text = repr(make(images=np.zeros((6, 5, 4, 3), np.float32)))
    assert len(text) < 400
    for said in (
        "mine: 6 images of 5x4x3, 2 for each of 3",
        "mtt, step 40",
        "0.0213",
        "color crop",
    ):
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
    ("lr", float("nan")),
    ("lr", float("inf")),
    ("preprocessing", "zca"),
    ("preprocessing.mean", Standardize(np.zeros(4, np.float32), np.ones(3, np.float32))),
    ("preprocessing.std", Standardize(np.zeros(3, np.float32), np.zeros(3, np.float32))),
    ("ops", ("color", "colour")),
    ("class_names", ("cat", "dog")),
    ("class_names", (0, 1, 2)),
    ("class_names", ("a", "b", "\x1b[2J")),
    ("class_names", ("a", "b", "line\nbreak")),
    ("class_names", ("a", "b", "nul\0")),
    ("class_names", ("a", "b", "\udcff")),
    ("dataset", "\x9b31m"),
    ("dataset", None),
    ("lr", 1e-60),
    ("lr", 1e39),
    ("settings", []),
    ("settings", {"a": functools.reduce(lambda tree, _: [tree], range(60), [])}),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_named(field, value):
    with pytest.raises(InputError, match=field):
        dataclasses.replace(make(), **{field.split(".")[0]: value})


def test_settings_that_json_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"set\.npz.*settings"):
        save_distilled(tmp_path / "set.npz", make(settings={"folder": tmp_path}))
    assert not list(tmp_path.iterdir())


def rewrite(path, *, without=None, metadata=None, **arrays):
    with np.load(path) as file:
        members = {name: file[name] for name in file.files if name != without}
    if metadata:
        record = json.loads(members["metadata"].item()) | metadata
        record = {k: v for k, v in record.items() if v is not None}
        members["metadata"] = np.array(json.dumps(record))
    np.savez(path, **members | arrays)


BAD_FILES = [
    ("members", {"without": "images"}),
    ("members", {"without": "labels"}),
    ("members", {"without": "metadata"}),
    ("preprocessing", {"without": "preprocessing_std"}),
    ("preprocessing.*pca", {"metadata": {"preprocessing": "pca"}}),
    (r"preprocessing\.mean", {"preprocessing_mean": np.array(["a", "b", "c"])}),
    ("images", {"images": np.zeros((6, 5, 4, 3), np.int32)}),
    ("labels", {"labels": np.zeros((6, 3), np.float32)}),
    ("metadata", {"metadata": None, "labels": LABELS, "without": "metadata"}),
    ("format.*3", {"metadata": {"format": 3}}),
    ("format 1, made by an unreleased version", {"metadata": {"format": 1}}),
    ("lr", {"metadata": {"lr": -0.1}}),
    ("lr", {"metadata": {"lr": None}}),
    ("lr", {"metadata": {"lr": "0.1"}}),
    ("ops", {"metadata": {"ops": ["warp"]}}),
    ("ops", {"metadata": {"ops": [["color"]]}}),
    ("class_names", {"metadata": {"class_names": ["one"]}}),
    ("network", {"metadata": {"network": {"name": "convnet"}}}),
    (r"network\.depth", {"metadata": {"network": vars(NetworkSpec()) | {"depth": "3"}}}),
    ("network.*norm", {"metadata": {"network": {"name": "convnet", "depth": 3, "width": 8}}}),
    ("seed", {"metadata": {"seed": "zero"}}),
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
    assert len(paths) >= 30
    for path in paths:
        mine = load_distilled(path)
        assert make_network(mine.network, mine.images.shape[1:], len(mine.class_names)).per_image


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "[" * 100_000])
def test_metadata_that_is_no_json_object_is_refused(tmp_path, text):
    save_distilled(tmp_path / "set.npz", make())
    with np.load(tmp_path / "set.npz") as file:
        members = dict(file)
    np.savez(tmp_path / "set.npz", **members | {"metadata": np.array(text)})
    with pytest.raises(InputError, match="metadata"):
        load_distilled(tmp_path / "set.npz")


def test_a_missing_file_and_one_that_is_no_set_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz"):
        load_distilled(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not arrays")
    with pytest.raises(InputError, match=r"text\.npz"):
        load_distilled(tmp_path / "text.npz")


@pytest.mark.parametrize("member", ["images", "labels", "metadata"])
def test_a_flipped_bit_is_an_error_and_never_a_wrong_number(tmp_path, member):
    path = tmp_path / "set.npz"
    save_distilled(path, make())
    with np.load(path) as file:
        begin = path.read_bytes().index(file[member].tobytes())
        size = file[member].nbytes
    for at in RNG.integers(begin, begin + size, 20):
        damaged = bytearray(path.read_bytes())
        damaged[at] ^= 1 << int(RNG.integers(8))
        (tmp_path / "damaged.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"damaged\.npz"):
            load_distilled(tmp_path / "damaged.npz")


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


@pytest.mark.parametrize(
    "names",
    [
        ("../x", "/etc", ".."),
        ("", " ", "."),
        ("a", "A", "a"),
        ("a", "a-2", "a"),
        ("a/b", "a\\b", "a:b"),
        ("x" * 300, "é", "é"),
        ("con", "NUL.txt", "com1"),
        ("😀", "😀😀", "\u202e"),
    ],
)
def test_class_names_neither_escape_nor_collide(tmp_path, names):
    inside = tmp_path / "inside"
    paths = export_pngs(make(class_names=names), inside)
    assert len(set(paths)) == 6
    assert len({p.parent.name.casefold() for p in paths}) == 3
    assert all(p.resolve().parent.parent == inside.resolve() for p in paths)
    assert sorted(tmp_path.rglob("*.png")) == sorted(paths)


@hypothesis.given(st.lists(st.text(st.characters() | st.sampled_from("./\\:~ \0")), min_size=1))
def test_folder_names_are_single_distinct_and_short(names):
    made = _folder_names(names)
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
