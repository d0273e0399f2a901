"""Runs and stores that were damaged half-way: repaired, and they end with the same bytes."""

import contextlib
import io
import os
from functools import partial

from benchmarks.torture.faults_common import Wrong, quiet, the_files
from mttjax import cli
from mttjax.cli.check import check_path
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.npz import read_arrays

__all__ = ["flip", "refused", "retrained", "run"]


def run(bench, size, tally):
    """Damages, goes on, and compares with the undisturbed run and store."""
    cases = _cases(bench)
    for name in cases if size == "full" else SMALL:
        tally.attempt("repairs", name, cases[name])


SMALL = ("state.npz flipped", "config.json cut", "snapshot 0001/002.npz", "manifest.json flipped")


def _cases(bench):
    """name -> what is tried, which returns its outcome."""
    half, done = partial(_gone_on_with, bench, bench.half), partial(_gone_on_with, bench, bench.run)
    store = partial(_snapshot, bench)
    return {
        "state.npz flipped": partial(half, flip, "state.npz", told="state.npz: not a whole"),
        "state.npz removed": partial(half, _remove, "state.npz"),
        "good.npz flipped": partial(half, flip, "good.npz"),
        "config.json cut": partial(half, _cut, "config.json", told="taken from last.npz"),
        "config.json flipped": partial(half, flip, "config.json", told="taken from last.npz"),
        "last.npz flipped": partial(half, flip, "last.npz"),
        "metrics.jsonl removed": partial(half, _remove, "metrics.jsonl"),
        "metrics.jsonl cut": partial(half, _cut, "metrics.jsonl"),
        "metrics.jsonl flipped": partial(half, flip, "metrics.jsonl"),
        "last.npz removed from a finished run": partial(done, _remove, "last.npz"),
        "last.npz flipped in a finished run": partial(done, flip, "last.npz"),
        "state.npz flipped in a finished run": partial(done, flip, "state.npz"),
        "both states flipped": partial(_both_states, bench),
        "config.json and last.npz flipped": partial(_no_settings, bench),
        "a run on a damaged snapshot": partial(_run_on_damaged_snapshot, bench),
        "manifest.json flipped": partial(_manifest, bench, flip),
        "manifest.json cut": partial(_manifest, bench, _cut),
        "manifest.json removed": partial(_manifest, bench, _remove),
        "preprocessing.npz flipped": partial(_preprocessing, bench),
        "snapshot 0000/000.npz": partial(store, "0000/000.npz"),
        "snapshot 0001/002.npz": partial(store, "0001/002.npz"),
        "snapshot 0001/003.npz": partial(store, "0001/003.npz"),
        "known images 0000/001.correct.npz": partial(store, "0000/001.correct.npz"),
    }


def flip(path):
    """Flips the first bit, of those in the middle, that leaves the file not as it was."""
    whole = path.read_bytes()
    read = {".npz": read_arrays, ".json": read_json}.get(path.suffix)
    for place in range(len(whole) // 2, len(whole)):
        data = bytearray(whole)
        data[place] ^= 4
        path.write_bytes(data)
        try:
            if read is not None:
                read(path)
                continue
        except InputError:
            pass
        return
    raise Wrong(f"no bit of {path.name} is ever missed")


def _remove(path):
    path.unlink()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-37])


def _gone_on_with(bench, source, damage, name, told=""):
    """The run goes on by itself and ends with the same sets; what it must say is ``told``."""
    with bench.copy(source) as folder:
        damage(folder / name)
        lines = []
        bench.distill(bench.settings, folder, lines.append)
        if not any(told in line for line in lines):
            raise Wrong(f"it did not say {told!r}: {lines}")
        bench.require_sets(folder)
        if faults := check_path(folder, quiet).faults:
            raise Wrong(f"bin/check finds after the repair: {faults}")
    return "repaired"


def refused(words, function, *arguments):
    """Calls, and raises ``Wrong`` unless an ``InputError`` says all of ``words``."""
    try:
        function(*arguments)
    except InputError as error:
        if missing := [word for word in words if word not in str(error)]:
            raise Wrong(f"the message does not say {missing}: {error}") from error
        return
    raise Wrong("it was not refused")


def _both_states(bench):
    """Refused; and done again with the same bytes once removed, as the message says."""
    with bench.copy(bench.half) as folder:
        for name in ("state.npz", "good.npz"):
            flip(folder / name)
        refused(("state.npz", "good.npz", "remove"), bench.distill, bench.settings, folder)
        for name in ("state.npz", "good.npz"):
            (folder / name).unlink()
        bench.distill(bench.settings, folder)
        bench.require_sets(folder)
    return "refused"


def _no_settings(bench):
    with bench.copy(bench.half) as folder:
        for name in ("config.json", "last.npz"):
            flip(folder / name)
        refused(("config.json", "--run.folder"), bench.distill, bench.settings, folder)
    return "refused"


def _at(bench, store):
    """The settings with another store."""
    return bench.at(bench.settings, store)


def _run_on_damaged_snapshot(bench):
    """Refused by name; done with the same bytes once the snapshot is trained again."""
    with bench.copy(bench.store) as store, bench.copy(bench.half) as folder:
        for path in store.glob("*/002.npz"):  # T⁺ and M are 2: the start of 2 epochs is read
            flip(path)
        settings = _at(bench, store)
        refused(("/002.npz", "run the command that made it again"), bench.distill, settings, folder)
        _check_and_remove(store)
        bench.train(settings)
        bench.distill(settings, folder)
        bench.require_sets(folder)
    return "repaired"


def _preprocessing(bench):
    with bench.copy(bench.store) as store, bench.copy(bench.half) as folder:
        flip(store / "preprocessing.npz")
        settings = _at(bench, store)
        refused(("preprocessing.npz",), bench.distill, settings, folder)
    return "refused"


def _manifest(bench, damage):
    """The one before it is taken: at most one snapshot is trained again."""
    with bench.copy(bench.store) as store:
        damage(store / "manifest.json")
        lines = []
        again = retrained(bench, store, lines.append)
        if len([name for name in again if "correct" not in name]) > 1:
            raise Wrong(f"trained again: {again}")
        if not any("manifest.json" in line for line in lines):
            raise Wrong("the manifest was not named")
    return "repaired"


def _snapshot(bench, name):
    """Named by bin/check, removed by ``--remove``, and trained again alone."""
    with bench.copy(bench.store) as store:
        flip(store / name)
        said = _check_and_remove(store)
        if (
            f"{store / name}: not a whole .npz" not in said
            or f"removed: {store / name}" not in said
        ):
            raise Wrong(f"bin/check does not name it: {said}")
        number = name.split(".")[0]
        again = retrained(bench, store)
        if set(again) - {f"{number}.npz", f"{number}.correct.npz"}:
            raise Wrong(f"trained again: {again}")
    return "repaired"


def retrained(bench, store, log=quiet):
    """Trains what is missing; the names of the files that were written, all as before.

    Raises:
      Wrong: a snapshot is not that of the undisturbed store, or bin/check finds a fault.
    """
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*/*.npz")}
    for path in before:
        os.utime(path, ns=(1, 1))
    bench.train(_at(bench, store), log)
    if the_files(store, "*.npz") != the_files(bench.store, "*.npz"):
        raise Wrong("the store is not the undisturbed one")
    if faults := check_path(store, quiet).faults:
        raise Wrong(f"bin/check finds after the repair: {faults}")
    paths = sorted(store.rglob("*/*.npz"))
    return [str(p.relative_to(store)) for p in paths if p.stat().st_mtime_ns != 1]


def _check_and_remove(folder):
    """``bin/check --remove``: what it said."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = cli.check.main([str(folder), "--remove"])
    if status != 1:
        raise Wrong(f"bin/check has the status {status}")
    return out.getvalue()
