"""Sets as others' files: each is read back to the same numbers."""

import ast
import dataclasses
import importlib.metadata
import os
import site
import subprocess
import sys

import numpy as np
import pytest
from pyarrow import parquet
from small import small_set

from mttjax.distilled import load_distilled
from mttjax.distilled.huggingface import PARQUET, export_huggingface
from mttjax.distilled.layouts import export_layout
from mttjax.distilled.official import read_published, read_rate
from mttjax.system.errors import InputError
from mttjax.system.torch_reading import open_torch


def names(paths, folder):
    return sorted(str(path.relative_to(folder)) for path in paths)


def read_back(folder, labels="labels_best.pt"):
    return read_published(folder / "images_best.pt", folder / labels, classes=3)


def test_mtt(tmp_path):
    made = small_set(2)
    files = names(export_layout(made, tmp_path, "mtt"), tmp_path)
    assert files == ["images_best.pt", "labels_best.pt", "lr_best.pt"]
    read = read_back(tmp_path)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.labels, made.labels)
    assert read_rate(str(tmp_path / "lr_best.pt")) == np.float32(made.lr)
    with open_torch(tmp_path / "labels_best.pt") as labels:
        assert labels.read().dtype == np.int64
    with pytest.raises(InputError, match="take the layout datm"):
        export_layout(small_set(2, soft=True), tmp_path, "mtt")


@pytest.mark.parametrize("soft", [False, True])
def test_datm_has_logits(soft, tmp_path):
    made = small_set(2, soft=soft)
    export_layout(made, tmp_path, "datm")
    read = read_back(tmp_path)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_allclose(read.labels, made.labels, rtol=1e-6)


def test_dc_and_idc(tmp_path):
    made = small_set(2, settings={"method": "dm"}, dataset="cifar10")
    (path,) = export_layout(made, tmp_path, "dc")
    assert path.name == "res_DM_CIFAR10_ConvNet_2ipc.pt"
    read = read_published(path, classes=3)
    np.testing.assert_array_equal(read.images, made.images)
    np.testing.assert_array_equal(read.labels, made.labels)
    (path,) = export_layout(made, tmp_path, "idc")
    read = read_published(path, classes=3, factor=1)
    normalised = np.asarray(made.preprocessing(255 * read.images))
    np.testing.assert_allclose(normalised, made.images, atol=1e-5)


def test_dc_bench_finds_its_files(tmp_path):
    where = "distilled_results/{}/CIFAR10/IPC1/"
    made = small_set(dataset="cifar10")
    files = names(export_layout(made, tmp_path, "dcbench"), tmp_path)
    assert where.format("TM") + "images_best.pt" in files
    assert where.format("TM") + "labels_best.pt" in files
    of_dsa = dataclasses.replace(made, settings={"method": "dsa"})
    files = names(export_layout(of_dsa, tmp_path, "dcbench"), tmp_path)
    assert files == [where.format("DSA") + "res_DSA_CIFAR10_ConvNet_1ipc.pt"]
    with pytest.raises(InputError, match="which would lose them"):
        export_layout(small_set(soft=True), tmp_path, "dcbench")


@pytest.mark.parametrize("soft", [False, True])
def test_dd_ranking_has_classes_in_their_order_and_log_probabilities(soft, tmp_path):
    order = [5, 0, 2, 1, 4, 3]
    made = small_set(2, soft=soft)
    made = dataclasses.replace(made, images=made.images[order], labels=made.labels[order])
    export_layout(made, tmp_path, "ddranking")
    arrays = {}
    for name in ("images", "labels", "soft_labels", "lr"):
        with open_torch(tmp_path / f"{name}.pt") as held:
            arrays[name] = held.read()
    np.testing.assert_array_equal(arrays["labels"], [0, 0, 1, 1, 2, 2])
    by_class = np.argsort(made.classes, kind="stable")
    np.testing.assert_array_equal(arrays["images"], made.images[by_class].transpose(0, 3, 1, 2))
    np.testing.assert_allclose(np.exp(arrays["soft_labels"]), made.labels[by_class], atol=1e-7)
    assert arrays["lr"] == np.float32(made.lr)
    script = (tmp_path / "run.py").read_text()
    ast.parse(script)
    assert f"LabelRobustScore{'Soft' if soft else 'Hard'}(" in script
    fewer = dataclasses.replace(made, images=made.images[:5], labels=made.labels[:5])
    with pytest.raises(InputError, match="as many images of every class"):
        export_layout(fewer, tmp_path, "ddranking")
    texture = dataclasses.replace(made, ops=("flip", "roll"))
    with pytest.raises(InputError, match="augmented by roll, which DD-Ranking"):
        export_layout(texture, tmp_path, "ddranking")


@pytest.mark.parametrize("layout", ["dc", "dcbench", "ddranking", "huggingface"])
def test_no_name_of_a_set_leads_out_of_the_folder(layout, tmp_path):
    made = small_set(dataset="../../x", settings={"method": "../../../y"})
    if layout == "huggingface":
        export_huggingface(made, tmp_path / "a/b/c/d")
    else:
        export_layout(made, tmp_path / "a/b/c/d", layout)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert all((tmp_path / "a/b/c/d") in path.parents for path in files)


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are mtt, datm"):
        export_layout(small_set(), tmp_path, "tesla")


@pytest.mark.parametrize("soft", [False, True])
def test_the_parquet_file_has_everything(soft, tmp_path):
    made = small_set(2, soft=soft)
    assert names(export_huggingface(made, tmp_path), tmp_path) == [
        *("README.md", PARQUET, "distilled.npz")
    ]
    table = parquet.read_table(tmp_path / PARQUET)
    np.testing.assert_array_equal(table["normalised"].to_pylist(), made.images)
    np.testing.assert_array_equal(table["probabilities"].to_pylist(), made.labels)
    np.testing.assert_array_equal(table["label"].to_pylist(), made.classes)
    assert table["image"][0]["bytes"].as_py().startswith(b"\x89PNG")
    np.testing.assert_array_equal(load_distilled(tmp_path / "distilled.npz").images, made.images)
    card = (tmp_path / "README.md").read_text()
    assert "mean 0.5000 and std 0.2500" in card
    assert "| learning rate | 0.05 |" in card


READ = """
import sys, datasets, numpy as np
folder, cache = sys.argv[1:]
read = datasets.load_dataset(folder, split="train", cache_dir=cache)
arrays = read.with_format("numpy")
names = ("normalised", "probabilities", "label")
held = {name: np.asarray(arrays[name][:]) for name in names}
held |= {"classes": read.features["label"].names, "image": np.asarray(read[0]["image"])}
np.savez(f"{cache}/read.npz", **held)
"""


@pytest.mark.slow
def test_the_library_of_hugging_face_reads_it(tmp_path):
    made = small_set(2, soft=True)
    export_huggingface(made, tmp_path / "set")
    (tmp_path / "cache").mkdir()
    command = [with_datasets(tmp_path / "env"), "-c", READ, tmp_path / "set", tmp_path / "cache"]
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    with np.load(tmp_path / "cache/read.npz") as read:
        np.testing.assert_array_equal(read["normalised"], made.images)
        np.testing.assert_array_equal(read["probabilities"], made.labels)
        np.testing.assert_array_equal(read["label"], made.classes)
        assert tuple(read["classes"]) == made.class_names
        np.testing.assert_array_equal(read["image"], made.pixels()[0, ..., 0])


def with_datasets(folder):
    """An interpreter that has the library, beside all that this one has."""
    if "datasets" in {found.name for found in importlib.metadata.distributions()}:
        return sys.executable
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (place,) = folder.glob("lib/python*/site-packages")
    (place / "these.pth").write_text("\n".join(site.getsitepackages()))
    install = [folder / "bin/python", "-m", "pip", "install", "--quiet", "datasets"]
    subprocess.run(install, check=True)
    return folder / "bin/python"
