"""Bad files: stores and sets whose bytes, members and values are wrong."""

import contextlib
import json
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from benchmarks.torture.inputs_values import Target, arrays, changed_json
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.preprocessing import Standardize
from mttjax.distilled import DistilledSet, export_pngs, load_distilled, save_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError

__all__ = ["targets"]

PARAMS = {"w": np.ones((3, 2), np.float32), "b": np.zeros(2, np.float32)}
RECIPE = {"lr": 0.01, "ops": ["crop"], "dataset": "bright", "network.depth": 1}


@contextlib.contextmanager
def targets():
    """The targets, in a folder of their own."""
    input_error = (InputError,)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        store, distilled = make_store(place / "store"), make_set(place / "set.npz")
        found = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
        yield [
            Target("store, bytes", 800, file_cases(found), partial(in_store, store), input_error),
            Target(
                "store, manifest", 700, manifest_cases(store), partial(in_store, store), input_error
            ),
            Target(
                "set, bytes",
                700,
                file_cases({distilled: distilled.read_bytes()}),
                partial(in_set, distilled),
                input_error,
            ),
            Target(
                "set, members",
                900,
                member_cases(distilled),
                partial(in_set, distilled),
                input_error,
            ),
        ]


def make_store(folder):
    """Two experts of two epochs, and the images that they knew."""
    store = ExpertStore(folder)
    store.create(RECIPE, Standardize(np.full(1, 0.5, np.float32), np.ones(1, np.float32)))
    for expert in range(2):
        for epoch in range(3):
            correct = np.arange(12) % 2 == 0 if epoch else None
            store.save(expert, epoch, PARAMS, record={"loss": 1.0}, correct=correct)
    return Path(folder)


def make_set(path):
    """A distilled set of two images."""
    save_distilled(
        path,
        DistilledSet(
            images=np.zeros((2, 4, 4, 1), np.float32),
            labels=np.eye(2, dtype=np.float32),
            lr=0.1,
            preprocessing=Standardize(np.full(1, 0.5, np.float32), np.ones(1, np.float32)),
            ops=("crop",),
            network=NetworkSpec(depth=1, width=2),
            dataset="digits",
            class_names=("ant", "bee"),
            seed=0,
            versions={},
            settings={"method": "mtt", "step": 3, "data": {"seed": 0, "classes": [0, 1]}},
        ),
    )
    return path


@st.composite
def file_cases(draw, files):
    """(path, its bytes, damaged): None for nothing there, a word for what is no file."""
    path = draw(st.sampled_from(sorted(files)))
    data = bytearray(files[path])
    what = draw(st.sampled_from(["bytes", "bytes", "bytes", "cut", "longer", "other"]))
    if what == "bytes":
        for _ in range(draw(st.integers(1, 3))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    elif what == "cut":
        del data[draw(st.integers(0, len(data))) :]
    elif what == "longer":
        data += draw(st.binary(min_size=1, max_size=50))
    else:
        odd = [None, "folder", "fifo", "loop", b"", b"PK\x05\x06" + bytes(18), b"{}", b"[" * 9999]
        return path, draw(st.sampled_from(odd))
    return path, bytes(data)


@st.composite
def manifest_cases(draw, store):
    """The manifest with other values, without its checksum: as an editor would leave it."""
    path = store / "manifest.json"
    value = json.loads(path.read_text())
    value.pop("checksum", None)
    changed = draw(changed_json(value))
    return path, json.dumps(changed).encode("utf-8", "surrogatepass")


@st.composite
def member_cases(draw, path):
    """A set with other members, or other values in its metadata."""
    with np.load(path) as file:
        members = dict(file)
    if draw(st.booleans()):
        metadata = draw(changed_json(json.loads(members["metadata"].item())))
        members["metadata"] = np.array(json.dumps(metadata))
    else:
        name = draw(st.sampled_from(sorted(members)))
        odd = st.sampled_from(["remove", np.array("{}"), np.array([b"x"]), np.array("[" * 3000)])
        new = draw(odd | arrays(members[name].shape))
        members = {k: v for k, v in members.items() if k != name}
        if not isinstance(new, str):
            members[name] = new
    return path, members


@contextlib.contextmanager
def replaced(path, content):
    """``path`` with other content, until the block ends."""
    before = path.read_bytes()
    path.unlink()
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, dict):
            np.savez(path, **content)
        elif content == "folder":
            path.mkdir()
        elif content == "fifo":
            os.mkfifo(path)
        elif content == "loop":
            path.symlink_to(path.name)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(before)


def in_store(store, case):
    """All that is read of a store."""
    with replaced(*case):
        opened = ExpertStore(store, log=lambda line: None)
        if opened.manifest is None:
            return False
        opened.require(RECIPE)
        opened.experts_with(2)
        assert opened.preprocessing.kind == "standardize"
        for expert in range(2):
            loaded = opened.load(expert, opened.epochs_done(expert) - 1, PARAMS)
            assert all(np.array_equal(loaded[name], PARAMS[name]) for name in PARAMS)
            opened.correct(expert, 2)
        return True


def in_set(path, case):
    """All that is read of a set, as a command that evaluates it or shows it would."""
    with replaced(*case), tempfile.TemporaryDirectory() as folder:
        loaded = load_distilled(path)
        make_network(loaded.network, loaded.images.shape[1:], len(loaded.class_names))
        if loaded.dataset == "digits":
            real_data_of(loaded)
        inside = Path(folder) / "a/pngs"
        export_pngs(loaded, inside)
        assert all(inside in p.resolve().parents for p in Path(folder).rglob("*.png"))
        return True
