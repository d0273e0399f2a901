"""Files of strangers: refused, with nothing run, little unpacked, and nothing written outside."""

import html
import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from small import small_dataset, small_set

from mttjax.cli import check
from mttjax.config.recipe import Recipe
from mttjax.core.preprocessing import Standardize
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import load_distilled, save_distilled
from mttjax.experts.store import ExpertStore
from mttjax.runs.page import write_run_page
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json
from mttjax.system.metrics import read_metrics


class Command:
    """Pickles as a call of ``os.system`` that makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def forged_set(path, **metadata):
    """A set whose metadata say what ``DistilledSet`` would not take."""
    save_distilled(path, small_set())
    with np.load(path) as file:
        members = dict(file)
    record = json.loads(members["metadata"].item()) | metadata
    np.savez(path, **members | {"metadata": np.array(json.dumps(record))})


def nested(levels):
    """A list in a list in a list."""
    tree = []
    for _ in range(levels):
        tree = [tree]
    return tree


def npy(shape, data=bytes(4), dtype="<f4"):
    """The bytes of an ``.npy`` that claims a shape."""
    out = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, about)
    return out.getvalue() + data


def claiming_npz(path, names, size):
    """An ``.npz`` of a few bytes whose list of members claims ``size`` bytes of each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"{name}.npy", npy((1,)))
        for member in archive.infolist():
            member.file_size = size


def lying_npz(path, names, mebibytes):
    """One whose members unpack to so many MiB and claim a hundred bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in names:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(npy((mebibytes * 2**18,), b""))
                for _ in range(mebibytes):
                    member.write(bytes(2**20))
        for member in archive.infolist():
            member.file_size = 100


MOST = 16 * 2**20
"""Bytes that a refusal may take at its highest."""

MEMBERS = ("images", "labels", "metadata", "x_train", "y_train", "x_test", "y_test")


@pytest.fixture
def folder(tmp_path):
    """A folder deep in another: outside of it nothing is written, and no command is run."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    yield inside
    assert not list(tmp_path.rglob("executed"))
    outside = {path for path in tmp_path.rglob("*") if inside not in (path, *path.parents)}
    assert outside <= set(inside.parents)


def require_refused(read, *arguments, **options):
    """``InputError``, and at most ``MOST`` bytes on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as refusal:
            read(*arguments, **options)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()
    return str(refusal.value)


def objects(path):
    held = np.array([Command(path.with_name("executed"))], dtype=object)
    np.savez(path, **dict.fromkeys(MEMBERS, held))


def pickle_as_npz(path):
    path.write_bytes(pickle.dumps({"images": Command(path.with_name("executed"))}))


def of_10_15_items(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in MEMBERS:
            archive.writestr(f"{name}.npy", npy((10**15,)))


NPZ = {
    "pickled objects": objects,
    "a pickle": pickle_as_npz,
    "100 GiB claimed": lambda path: claiming_npz(path, MEMBERS, 100 * 2**30),
    "below the limit claimed": lambda path: claiming_npz(path, ["images"], 2**31),
    "100 bytes claimed of 24 MiB": lambda path: lying_npz(path, MEMBERS, 24),
    "10**15 items": of_10_15_items,
}


def load_arrays(path):
    return load_dataset("arrays", folder=path)


@pytest.mark.parametrize("read", [load_distilled, load_arrays])
@pytest.mark.parametrize("build", NPZ)
def test_an_npz_that_lies_or_runs_programs_is_refused(folder, build, read):
    NPZ[build](folder / "x.npz")
    assert "x.npz" in require_refused(read, folder / "x.npz")


@pytest.mark.parametrize(
    "metadata",
    [
        *(
            {"class_names": ["ant", "bee", f"b{t}"]}
            for t in ("\x1b[2J", "\0", "\n", "\x9b31m", "\udcff")
        ),
        {"dataset": "\x1b]0;title\a"},
        *({"lr": rate} for rate in (1e-60, 1e39, -1.0, float("nan"))),
        *({"settings": {"deep": nested(levels)}} for levels in (60, 300, 900)),
        {"versions": []},
    ],
    ids=lambda metadata: repr(metadata)[:40],
)
def test_a_set_that_says_what_no_set_says_is_refused(folder, metadata):
    forged_set(folder / "x.npz", **metadata)
    assert "x.npz" in require_refused(load_distilled, folder / "x.npz")


@pytest.mark.parametrize("text", ["[" * 200_000, '{"step": ' + "9" * 10_000 + "}", '{"step": [1]}'])
def test_json_that_exhausts_its_reader_is_refused(folder, text):
    (folder / "x").write_text(f"{text}\n{text}\n")
    assert require_refused(read_json, folder / "x")
    assert "line 1" in require_refused(read_metrics, folder / "x")


@pytest.mark.parametrize("number", ["../../outside", "/etc", "0000/../../..", "", "00001111"])
def test_a_store_whose_manifest_leads_elsewhere_is_refused_and_nothing_removed(
    folder, tmp_path, number
):
    half = np.float32([0.5])
    ExpertStore(folder).create(Recipe(), small_dataset(), Standardize(half, half))
    manifest = read_json(folder / "manifest.json")
    manifest["experts"] = {number: {"epochs": [{"checksum": "0"}]}}
    write_json(folder / "manifest.json", manifest)
    kept = tmp_path / "000.npz"
    kept.write_bytes(b"another's")
    assert f"manifest.json: expert {number!r:.20} is" in require_refused(ExpertStore, folder)
    assert check.main([str(folder), "--remove"]) == 1
    assert kept.read_bytes() == b"another's"
    kept.unlink()


EVIL = "<script>alert(1)</script>\"><img src=x onerror=1>&'"
"""What must be seen on a page as it stands here, and do nothing."""


def test_a_page_of_a_run_shows_hostile_names_as_text(folder):
    step = {EVIL: [EVIL]}
    names = {"class_names": (EVIL, EVIL[::-1], "c"), "dataset": EVIL}
    save_distilled(folder / "best.npz", small_set(**names, settings={"step": step}))
    row = {"ipc": EVIL, "mean": 0.5, "std": 0.1, "networks": EVIL, "lr": 0.1, "step": step}
    row |= {"tested": [1], "per_class": [0.5]}
    results = {
        "epochs": EVIL,
        "classes": [EVIL],
        "date": EVIL,
        "hardware": EVIL,
        "rows": {EVIL: row},
    }
    write_json(
        folder / "config.json", {"name": EVIL, "ipc": EVIL, "method": EVIL, EVIL: {EVIL: [1]}}
    )
    write_json(folder / "results.json", results)
    write_json(folder / "commands.json", {"distill": EVIL, "evaluate": 5})
    text = write_run_page(folder).read_text("utf-8")
    assert EVIL not in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert EVIL in html.unescape(text)
