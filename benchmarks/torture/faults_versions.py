"""Clocks that jump, and files of another version, recipe or network."""

import contextlib
import datetime
import json
import os
import random
import sys
import time
import types
from unittest import mock

import numpy as np

from benchmarks.torture.faults_common import Wrong, quiet, the_files
from benchmarks.torture.faults_repairs import refused
from mttjax.experts.store import ExpertStore
from mttjax.runs.page import write_run_page
from mttjax.system.npz import read_arrays, write_arrays

__all__ = ["jumping_clocks", "run"]

YEARS = {"1970": 86400.0, "2100": 4.1e9}
"""Seconds since 1970."""


def run(bench, size, tally):
    tally.attempt("clocks", "a run", _run_by_such_clocks, bench, size)
    if size == "full":
        tally.attempt("clocks", "a store", _store_by_such_clocks, bench)
        for year, when in YEARS.items():
            tally.attempt("clocks", f"files of {year}, a run", _old_run, bench, when)
            tally.attempt("clocks", f"files of {year}, a store", _old_store, bench, when)
    for version in (0, 2, None, "1"):
        tally.attempt("versions", f"store format {version!r}", _format, bench, version)
    for field, value in ExpertStore(bench.store).manifest["recipe"].items():
        tally.attempt("versions", f"recipe {field}", _recipe, bench, field, value)
    for what in _OLDER if size == "full" else ("without checksums",):
        tally.attempt("versions", f"manifest {what}", _older_manifest, bench, _OLDER[what])
    for what, change, words in _CONFIGS:
        tally.attempt("versions", f"settings {what}", _config, bench, change, words)
    for what, change, words in _STATES:
        tally.attempt("versions", f"state {what}", _state, bench, change, words)
    tally.attempt("versions", "state without settings", _older_state, bench)


# --- clocks -----------------------------------------------------------------------------


@contextlib.contextmanager
def jumping_clocks():
    """Clocks that are years ahead or behind at every look; yields how often they were looked at."""
    rng, looks = random.Random(0), []

    def now(*_):
        looks.append(1)
        return rng.uniform(*YEARS.values())

    def nanoseconds():
        return int(1e9 * now())

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(now(), tz)

    other = types.SimpleNamespace(**{n: getattr(datetime, n) for n in datetime.__all__})
    other.datetime = Jumping
    with contextlib.ExitStack() as stack:
        for module in [m for n, m in sys.modules.items() if n.startswith("mttjax.")]:
            if getattr(module, "datetime", None) is datetime:
                stack.enter_context(mock.patch.object(module, "datetime", other))
        for name in ("time", "perf_counter"):
            stack.enter_context(mock.patch.object(time, name, now))
        stack.enter_context(mock.patch.object(time, "time_ns", side_effect=nanoseconds))
        yield looks


def _run_by_such_clocks(bench, size):
    with bench.copy(bench.half) as folder, jumping_clocks() as looks:
        bench.distill(bench.settings, folder)
        if size == "full":
            write_run_page(folder)
        bench.require_sets(folder)
    return _looked_at(looks)


def _store_by_such_clocks(bench):
    with jumping_clocks() as looks:
        store = bench.train_at("store by such clocks")
    _require_snapshots(bench, store)
    return _looked_at(looks)


def _looked_at(looks):
    if not looks:
        raise Wrong("nothing looked at a clock: the case tries nothing")
    return "harmless"


def _old_run(bench, when):
    with bench.copy(bench.half) as folder:
        _set_times(folder, when)
        bench.distill(bench.settings, folder)
        bench.require_sets(folder)
    return "harmless"


def _old_store(bench, when):
    with bench.copy(bench.store) as store:
        for path in store.glob("*/003*.npz"):
            path.unlink()
        _set_times(store, when)
        bench.train(bench.at(bench.settings, store))
        _require_snapshots(bench, store)
    return "harmless"


def _set_times(folder, when):
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (when, when))


def _require_snapshots(bench, store):
    if the_files(store, "*.npz") != the_files(bench.store, "*.npz"):
        raise Wrong("the store is not the undisturbed one")


# --- versions and recipes ---------------------------------------------------------------


def _edited(path, change):
    """A JSON file changed, without its checksum: as another version or an editor leaves it."""
    value = json.loads(path.read_text("utf-8"))
    change(value)
    value.pop("checksum", None)
    path.write_text(json.dumps(value), encoding="utf-8")


def _format(bench, version):
    with bench.copy(bench.store) as store:
        _edited(store / "manifest.json", lambda m: m.update(format=version))
        words = ("manifest.json", f"format is {version!r}", "--experts.folder")
        refused(words, bench.train, bench.at(bench.settings, store))
        refused(words, bench.distill, bench.at(bench.settings, store), "never")
    return _nothing_at(bench, "never")


def _nothing_at(bench, name):
    if (bench.folder / name).exists():
        raise Wrong("something was written")
    return "refused"


def _recipe(bench, field, value):
    with bench.copy(bench.store) as store:
        _edited(store / "manifest.json", lambda m: m["recipe"].update({field: _another(value)}))
        words = (str(store), f"recipe: {field} is ", "--experts.folder")
        before = the_files(store)
        refused(words, bench.train, bench.at(bench.settings, store))
        refused(words, bench.distill, bench.at(bench.settings, store), "never")
        if the_files(store) != before:
            raise Wrong("the store was written to")
    return _nothing_at(bench, "never")


def _another(value):
    return {str: f"{value}x", list: [value], type(None): "x"}.get(type(value)) or value + 1


_OLDER = {
    "without its checksum": lambda m: None,
    "without checksums": lambda m: [
        record.pop(name, None)
        for entry in m["experts"].values()
        for record in entry["epochs"]
        for name in ("checksum", "correct_checksum")
    ],
    "without that of the preprocessing": lambda m: m.pop("preprocessing_checksum"),
}


def _older_manifest(bench, change):
    """Accepted: nothing to do for the experts, and the run's first half is gone on with."""
    with bench.copy(bench.store) as store:
        _edited(store / "manifest.json", change)
        before = the_files(store)
        bench.train(bench.at(bench.settings, store))
        if the_files(store) != before:
            raise Wrong("experts were trained again")
        read = ExpertStore(store, quiet)
        read.correct(0, 3)
        _ = read.preprocessing
        with bench.copy(bench.run) as folder:
            bench.distill(bench.at(bench.settings, store), folder)
    return "harmless"


_CONFIGS = (
    (
        "with an unknown field",
        lambda c: c["distill"].update(new=1),
        ("distill.new was 1, is None",),
    ),
    ("without a field", lambda c: c["distill"].pop("lr_img"), ("distill.lr_img was None, is 30",)),
    ("of another network", lambda c: c["network"].update(width=8), ("network.width was 8, is 4",)),
    ("without a group", lambda c: c.pop("network"), ("network.width was None, is 4",)),
)


def _config(bench, change, words):
    with bench.copy(bench.half) as folder:
        _edited(folder / "config.json", change)
        before = the_files(folder)
        refused((str(folder), "--run.folder", *words), bench.distill, bench.settings, folder)
        if the_files(folder) != before:
            raise Wrong("the run was written to")
    return "refused"


def _wider(arrays):
    settings = json.loads(arrays["settings"].item())
    settings["network"]["width"] = 8
    arrays["settings"] = np.array(json.dumps(settings))


def _of_two_images(arrays):
    name = "outer/synthetic/images"
    arrays[name] = np.concatenate([arrays[name]] * 2)


_STATES = (
    ("of another network", _wider, ("network.width was 8, is 4",)),
    ("of another size", _of_two_images, ("outer/synthetic/images",)),
    ("with more in it", lambda a: a.update(more=np.zeros(3)), ("more",)),
    ("with less in it", lambda a: a.pop("step"), ("expected step",)),
    ("with no JSON", lambda a: a.update(settings=np.array("{")), ("settings",)),
)


def _state(bench, change, words):
    with bench.copy(bench.half) as folder:
        for path in (folder / "state.npz", folder / "good.npz"):
            arrays = read_arrays(path)
            change(arrays)
            write_arrays(path, arrays)
        refused(("no state of this run", *words), bench.distill, bench.settings, folder)
    return "refused"


def _older_state(bench):
    with bench.copy(bench.half) as folder:
        path = folder / "state.npz"
        write_arrays(path, {n: a for n, a in read_arrays(path).items() if n != "settings"})
        bench.distill(bench.settings, folder)
        bench.require_sets(folder)
    return "harmless"
