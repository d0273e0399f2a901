"""Folders of images, Tiny ImageNet's among them."""

import errno
import io
import itertools
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import save_image as save
from small import write_class_folders as make_split

from mttjax.datasets.catalogue import CATALOGUE
from mttjax.datasets.loading import load_dataset
from mttjax.system.errors import InputError


def load(folder, **settings):
    settings = {"folder": folder, "resolution": 8, "validation": 0} | settings
    return load_dataset("image_folder", **settings)


def refused(message, folder, **settings):
    with pytest.raises(InputError, match=message):
        load(folder, **settings)


@pytest.fixture
def whole(tmp_path):
    make_split(tmp_path, "train")
    return make_split(tmp_path, "test")


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_train_and_test_folders(tmp_path, test_name):
    make_split(tmp_path, "train")
    make_split(tmp_path, test_name, n=1)
    loaded = load(tmp_path)
    assert loaded.class_names == ("ant", "bee", "cat")
    assert loaded.name == tmp_path.name
    assert loaded.image_shape == (8, 8, 3)
    assert loaded.train.images[:, 0, 0, 0].tolist() == [0, 1, 40, 41, 80, 81]
    assert loaded.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert loaded.test.images[:, 0, 0, 0].tolist() == [0, 40, 80]


def test_a_test_split_is_made_where_there_is_none(tmp_path):
    make_split(tmp_path, ".", n=10)
    (tmp_path / "README.md").write_text("not a class")
    (tmp_path / "ant" / "Thumbs.db").write_text("not an image")
    one, again, other = (load(tmp_path, seed=s) for s in (0, 0, 1))
    assert np.bincount(one.test.labels).tolist() == [2, 2, 2]
    assert np.bincount(one.train.labels).tolist() == [8, 8, 8]
    np.testing.assert_array_equal(one.test.images, again.test.images)
    assert not np.array_equal(one.test.images, other.test.images)


def test_classes_choose_among_the_sorted_sub_folders_and_read_only_those(whole):
    (whole / "train" / "bee" / "0.png").write_bytes(b"broken")
    chosen = load(whole, classes=(2, 0))
    assert chosen.class_names == ("cat", "ant")
    assert chosen.train.images[:, 0, 0, 0].tolist() == [80, 81, 0, 1]
    assert chosen.train.labels.tolist() == [0, 0, 1, 1]


def test_grey_stays_grey_unless_one_image_has_colour(tmp_path):
    for split in ("train", "test"):
        make_split(tmp_path, split, mode="L")
    assert load(tmp_path).image_shape == (8, 8, 1)
    save(tmp_path / "test" / "cat" / "x.png", (9, 8, 7))
    coloured = load(tmp_path)
    assert coloured.image_shape == (8, 8, 3)
    assert coloured.test.images[-1, 0, 0].tolist() == [9, 8, 7]


def test_the_centre_is_cut_out_and_resized(whole):
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 48, 3), np.uint8))
    wide.save(whole / "train" / "ant" / "0.png")
    expected = wide.resize((24, 8), Image.Resampling.BILINEAR).crop((8, 0, 16, 8))
    np.testing.assert_array_equal(load(whole).train.images[0], np.asarray(expected))
    assert load(whole, resolution=20).train.images.shape == (6, 20, 20, 3)


def test_palette_transparency_and_flat_test_folder_are_fine(whole):
    (whole / "test").rename(whole / "val")
    (whole / "test").mkdir()
    save(whole / "train" / "ant" / "0.png", (1, 2, 3, 0), mode="RGBA")
    Image.new("P", (8, 8)).save(whole / "train" / "ant" / "1.png", transparency=b"\x00\x01")
    assert len(load(whole).test.labels) == 6


def test_files_passed_over_and_what_validation_and_test_are_made_of_is_said(tmp_path):
    make_split(tmp_path, "train", n=10)
    for name in ("a.heic", "b.heic", "c.jp2", "d.avif", "e", ".hidden", "Thumbs.db"):
        (tmp_path / "train" / "ant" / name).write_bytes(b"?")
    make_split(tmp_path / "train", "bee", ("more/deeper",), n=3)
    save(tmp_path / "train" / "cat.png", (1, 2, 3))
    make_split(tmp_path, "val", n=1)
    make_split(tmp_path, "extra", n=1)
    loaded = load(tmp_path, validation=0.1)
    assert loaded.describe() == (
        f"{tmp_path.name}: 3 classes (ant, bee, cat), 27 training, 3 validation (a tenth of "
        "training), 3 test images (val/) of 8x8x3; read from 33 PNG files; 33 of one colour "
        "throughout; 9 files passed over (.heic 2, .jp2 1, .avif 1, without ending 1, in deeper "
        "folders 3, beside the classes' folders 1); extra/ is not read"
    )
    assert load(tmp_path / "train", classes=("ant", "cat")).origins == {
        "classes": "by name",
        "test": "a fifth of each class",
    }


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_a_validation_folder_is_the_validation_split(whole, name):
    make_split(whole, name, classes=("ant", "cat"), n=1)
    loaded = load(whole, validation=0.5)
    assert len(loaded.train.labels) == 6
    assert loaded.validation.labels.tolist() == [0, 2]
    assert loaded.validation.images[:, 0, 0, 0].tolist() == [0, 40]
    assert f"2 validation ({name}/), 6 test images of" in loaded.describe()
    assert "no validation image of 1 class (bee)" in loaded.describe()
    assert load(whole, classes=("cat", "bee")).validation.labels.tolist() == [0]


def test_a_class_without_a_test_image_is_said(tmp_path):
    make_split(tmp_path, ".", n=5)
    make_split(tmp_path, ".", ("owl",), n=1)
    assert "no test image of 1 class (owl)" in load(tmp_path).describe()


def test_folders_of_splits_are_no_classes(tmp_path):
    save(tmp_path / "flat" / "train" / "0.png", (1, 2, 3))
    refused(r"flat has train/, whose images are not in a folder a class", tmp_path / "flat")
    save(tmp_path / "flat" / "test" / "0.png", (1, 2, 3))
    refused(r"test/ and train/, whose .* Make folders such as train/cat/", tmp_path / "flat")
    for part in ("Training", "Testing"):
        make_split(tmp_path / "kaggle", part)
    refused(r"has Testing/ and Training/, with sub-folders: call .* train/", tmp_path / "kaggle")
    make_split(tmp_path / "parent" / "pets", "train")
    make_split(tmp_path / "parent" / "pets", "test")
    refused(r"pets has no image .*but the sub-folders test/, train/: .*Give", tmp_path / "parent")
    (tmp_path / "heic" / "cat").mkdir(parents=True)
    (tmp_path / "heic" / "cat" / "0.heic").touch()
    refused(r"cat has no image .*, only .heic 1: convert them", tmp_path / "heic")


def test_one_name_in_two_forms_of_unicode(tmp_path):
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    make_split(tmp_path, "train", (composed, "tea"))
    make_split(tmp_path, "test", (decomposed, "tea"), n=1)
    loaded = load(tmp_path, classes=(decomposed, "tea"))
    assert (loaded.class_names, loaded.test.labels.tolist()) == ((composed, "tea"), [0, 1])
    make_split(tmp_path, "train", (decomposed,))
    refused(r"two sub-folders called 'café', in two forms of Unicode \('cafe", tmp_path)


def test_a_known_dataset_as_image_files(tmp_path):
    names = CATALOGUE["fashion_mnist"].class_names
    folders = [name.replace("/", "-").title() for name in names]
    for part, n in (("train", 2), ("test", 1)):
        make_split(tmp_path / "fashion_mnist", part, folders[::-1], n=n, size=(28, 28))
    loaded = load_dataset("fashion_mnist", folder=tmp_path, classes=("Dress", "Bag"), validation=0)
    assert (loaded.name, loaded.class_names) == ("fashion_mnist", ("Dress", "Bag"))
    assert loaded.image_shape == (28, 28, 1)
    assert loaded.train.images[:, 0, 0, 0].tolist() == [240, 241, 40, 41]
    assert "read from 30 PNG files" in loaded.describe()
    for part in ("train", "test"):
        make_split(tmp_path / "10", part, CATALOGUE["cifar10"].class_names, n=1, size=(28, 28))
    with pytest.raises(InputError, match=r"images of 28x28, but those of cifar10 have 32x32"):
        load_dataset("cifar10", folder=tmp_path / "10")
    with pytest.raises(InputError, match=r"has the classes Ankle Boot.*; mnist has 0, 1, 2"):
        load_dataset("mnist", folder=tmp_path / "fashion_mnist")
    for k, part in itertools.product(range(10), ("train", "test")):
        save(tmp_path / "digits" / part / str(k) / "0.png", 9 * k, (28, 28), "L")
    assert load_dataset("mnist", folder=tmp_path / "digits").train.images[3, 0, 0, 0] == 27


def test_own_data_that_are_called_as_known_ones_are_not_those(tmp_path):
    make_split(tmp_path, "cifar10", n=5)
    assert load(tmp_path / "cifar10").name == "own-cifar10"


def test_a_class_may_be_called_train(tmp_path):
    make_split(tmp_path, ".", classes=("car", "train"), n=5)
    assert load(tmp_path).class_names == ("car", "train")


# A format that runs programs, and what is not whole.
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9"


@pytest.mark.parametrize("damage", [lambda b: POSTSCRIPT, lambda b: b[:45], lambda b: b""])
def test_an_unreadable_image_is_named(whole, damage):
    path = whole / "train" / "bee" / "1.png"
    path.write_bytes(damage(path.read_bytes()))
    refused(r"cannot read the image .*bee/1.png", whole)


def bomb(kind, number):
    """An image of a few hundred bytes whose header claims 16384 x 16384 pixels."""
    out = io.BytesIO()
    Image.new("L", (301, 301)).save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    data = out.getvalue()
    if kind == "PPM":
        return data.replace(b"301", b"16384")
    if kind == "WEBP":
        return data[:21] + struct.pack("<I", 16383 | 16383 << 14) + data[25:]
    data = data.replace(struct.pack(number, 301), struct.pack(number, 16384))
    if kind == "PNG":
        return data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    return data


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *(("PNG", ">I"), ("GIF", "<H"), ("TIFF", "<H"), ("JPEG", ">H"), ("BMP", "<I")),
        *(("PPM", None), ("WEBP", None)),
    ],
)
def test_a_bomb_is_refused_by_its_header_whatever_others_set(whole, monkeypatch, kind, number):
    (whole / "train" / "ant" / "0.png").write_bytes(bomb(kind, number))
    # Above its limit Pillow warns, above twice the limit it raises.
    for limit in (None, 2**28 - 1, 2**26):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(r"ant/0.png.* (is too large an image|exceeds limit)", whole)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_of_several_frames_the_first_is_read(whole, kind):
    first, second = (Image.new("RGB", (8, 8), (value,) * 3) for value in (200, 10))
    how = {"lossless": True} if kind == "WEBP" else {}
    path = whole / "train" / "ant" / "0.png"
    first.save(path, kind, save_all=True, append_images=[second], **how)
    assert load(whole).train.images[0, 0, 0].tolist() == [200] * 3


def test_sixteen_bits_are_scaled_by_what_all_images_use(whole):
    for name, value in (("ant", 1000), ("bee", 5000)):
        Image.new("I;16", (8, 8), value).save(whole / "train" / name / "0.png")
    loaded = load(whole)
    assert "2 of 16 bits, 13 of them used, scaled to 8" in loaded.describe()
    assert {31, 156} <= set(loaded.train.images[:, 0, 0, 0].tolist())


def test_wrong_layouts_are_named(tmp_path):
    refused("has no sub-folder", tmp_path)
    make_split(tmp_path, "train")
    refused("neither test/ nor val/", tmp_path)
    make_split(tmp_path, "test", classes=("ant", "yak"))
    refused(r"test has the class 'yak', .*train has not", tmp_path)
    make_split(tmp_path / "flat", ".", n=1)
    refused("no test image", tmp_path / "flat")


def test_an_empty_class_is_refused(whole):
    for image in (whole / "train" / "bee").iterdir():
        image.unlink()
    refused(r"bee has no image .*an empty class", whole)


def test_names_of_classes_may_be_of_any_script_and_links_are_followed(tmp_path):
    names = ("a b", "Ångström", "λ", "猫", "😀")
    root = make_split(tmp_path / "data", "train", names)
    make_split(root, "test", names, n=1)
    make_split(root, "train", (".hidden",))
    outside = make_split(tmp_path, "elsewhere", ("z",))
    (root / "train" / "zz").symlink_to(outside / "elsewhere" / "z")
    (root / "train" / "loop").symlink_to("loop")
    (root / "train" / "nowhere").symlink_to("/nowhere")
    (root / "train" / "λ" / "2.png").symlink_to(outside / "elsewhere" / "z" / "0.png")
    (root / "train" / "λ" / "3.png").symlink_to("3.png")
    loaded = load(root)
    assert loaded.class_names == tuple(sorted((*names, "zz")))
    assert len(loaded.train.labels) == 2 * 6 + 1
    (root / "train" / "up").symlink_to("..")
    refused(r"up has no image", root)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "line\nbreak", b"\xff"])
def test_names_that_a_terminal_would_obey_are_refused(tmp_path, name):
    make_split(tmp_path, "train")
    place = os.fsdecode(os.fsencode(tmp_path / "train") + b"/" + os.fsencode(name))
    os.mkdir(place)
    for folder in (tmp_path, place):
        with pytest.raises(InputError) as caught:
            load(make_split(tmp_path, "test") if folder == tmp_path else folder)
        assert "rename it" in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("denied", ["bee", "0.png", "train"])
def test_what_may_not_be_read_is_named(whole, monkeypatch, denied):
    def refuse(function):
        def checked(self, *args, **kwargs):
            if Path(self).name == denied:
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return function(self, *args, **kwargs)

        return checked

    monkeypatch.setattr(Path, "iterdir", refuse(Path.iterdir))
    monkeypatch.setattr(os, "scandir", refuse(os.scandir))
    monkeypatch.setattr(Image, "open", refuse(Image.open))
    refused(rf"cannot read .*{denied}.*Permission denied", whole)


@pytest.fixture
def tiny(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    wnids = ("n02", "n01", "n03")
    for k, wnid in enumerate(wnids):
        for i in range(2):
            save(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", (80 * k,) * 3, (64, 64))
        save(root / "val" / "images" / f"val_{k}.JPEG", (80 * k,) * 3, (64, 64))
    (root / "wnids.txt").write_text("\n".join(wnids) + "\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tshark\n")
    notes = [f"val_{k}.JPEG\t{wnid}\t0\t0\t9\t9" for k, wnid in enumerate(wnids)]
    (root / "val" / "val_annotations.txt").write_text("\n".join(notes) + "\n")
    return root


def test_tiny_imagenet_in_its_own_layout(tiny):
    loaded = load_dataset("tiny_imagenet", folder=tiny, validation=0)
    assert loaded.name == "tiny_imagenet"
    assert loaded.class_names == ("shark", "goldfish", "n03")
    assert loaded.train.images.shape == (6, 64, 64, 3)
    assert loaded.test.images[:, 0, 0, 0].tolist() == [0, 80, 160]
    assert loaded.test.labels.tolist() == [0, 1, 2]
    chosen = {"classes": (2, 0), "resolution": 16, "validation": 0.5}
    some = load_dataset("tiny_imagenet", folder=tiny.parent, **chosen)
    assert some.class_names == ("n03", "shark")
    assert some.image_shape == (16, 16, 3)
    assert some.test.images[:, 0, 0, 0].tolist() == [0, 160]
    assert some.test.labels.tolist() == [1, 0]
    assert some.validation.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("wnids.txt", None, r"cannot read .*wnids.txt.*tiny-imagenet-200.zip"),
        ("val/val_annotations.txt", "val_0.JPEG n01\n", "separated by tabs"),
        ("val/val_annotations.txt", "val_0.JPEG\tn99\n", "n99.*classes in wnids.txt"),
        ("val/val_annotations.txt", "../../x.JPEG\tn01\n", r"val/images/x.JPEG"),
        ("wnids.txt", "n01\nn02\n../../x\n", r"names '../../x'; expected"),
        ("wnids.txt", "n01\nn02\nn02\n", "names 'n02' twice"),
        ("words.txt", "n01\ta\x1b[2Jb\n", "control characters"),
        ("wnids.txt", "n01\nn02\nn03\nn04\n", "n04/images is missing, but wnids.txt names n04"),
    ],
)
def test_faults_of_tiny_imagenet_are_named(tiny, name, text, message):
    if text is None:
        (tiny / name).unlink()
    else:
        (tiny / name).write_text(text)
    with pytest.raises(InputError, match=message):
        load_dataset("tiny_imagenet", folder=tiny)


def test_links_that_lead_nowhere_are_counted_and_what_a_mac_leaves_is_no_class(whole):
    make_split(whole, "train", classes=("__MACOSX",), n=1)
    (whole / "train" / "ant" / "gone.png").symlink_to("nowhere.png")
    assert "1 file passed over (broken links 1)" in load(whole).describe()
    assert load(whole).class_names == ("ant", "bee", "cat")
