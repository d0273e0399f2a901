"""Every file of a store and a run removed, cut, replaced, or with one bit flipped.

What is read then is what was there before, a state or a manifest before it, or an
``InputError``; and ``check_path`` names the file. Not so for ``metrics.jsonl``, which has no
checksum: a number changed in it is shown in the curves, and decides nothing.
"""

import dataclasses
import functools
import shutil
from pathlib import Path

import jax
import numpy as np

from benchmarks.torture.faults_common import Wrong, quiet, same
from mttjax.cli.check import check_path
from mttjax.distilled import load_distilled
from mttjax.experts.store import ExpertStore
from mttjax.runs.folder import RunFolder
from mttjax.runs.workflows import EXTENDABLE
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.npz import read_arrays

__all__ = ["damages", "run"]

FLIPS, CUTS = {"full": 60, "small": 4}, {"full": 6, "small": 1}

MANIFESTS = ("manifest.json", "manifest.before.json")
STATES = ("state.npz", "good.npz")
SETS = ("last.npz", "best.npz")


def run(bench, size, tally):
    """Damages every file once in each way."""
    bench.make_others()
    store, folder = _Store(bench), _Run(bench)
    for name in store.names:
        if size == "small" and name.startswith(("0000/", "0001/001", "0001/002")):
            continue  # of the snapshots the first and the last of one expert are enough
        _try_all(name, bench.store, bench.other_store, store, size, tally)
    for name in (*STATES, *SETS, "config.json"):
        _try_all(name, bench.run, bench.other_run, folder, size, tally)


def _try_all(name, source, other, reader, size, tally):
    cases = damages(source / name, [other / name, *reader.siblings(name)], size)
    for what, damage in cases.items():
        tally.attempt(
            f"files: {reader.kind_of(name)}", f"{name} {what}", reader.try_one, name, damage
        )


def damages(path, others, size):
    """What is done -> a function of the path that does it; the same ones every time."""
    data = path.read_bytes()
    rng = np.random.default_rng([len(data), *path.name.encode()])
    found = {
        "removed": functools.partial(Path.unlink),
        "emptied": functools.partial(_write, data=b""),
    }
    for length in rng.integers(1, len(data), CUTS[size]):
        found[f"cut to {length} bytes"] = functools.partial(_write, data=data[:length])
    for other in others:
        if other.exists() and other.read_bytes() != data:
            name = f"replaced by {other.parent.name}/{other.name}"
            found[name] = functools.partial(_write, data=other.read_bytes())
    for bit in rng.integers(8 * len(data), size=FLIPS[size]):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        found[f"with bit {bit} flipped"] = functools.partial(_write, data=bytes(flipped))
    return found


def _write(path, data):
    path.write_bytes(data)


def _require_named(folder, name):
    """Raises ``Wrong`` unless the check of a folder names the file.

    A note will do where nothing is left to find a fault in: a file that is gone, and a copy of
    the manifest before, of which only the snapshot is left over that it does not know.
    """
    found = check_path(folder, quiet)
    lines = list(found.faults)
    if not (folder / name).exists():
        lines += found.notes
    if not any(f"/{name}: " in line for line in lines):
        raise Wrong(f"bin/check does not name it: {found.faults[:2]}")


class _Store:
    """Reads all that a store holds, as the workflows read it."""

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.store
        manifest = read_json(self.folder / "manifest.json")
        self.manifests = [manifest, read_json(self.folder / "manifest.before.json")]
        self.before = (self.folder / "manifest.before.json").read_bytes()
        self.recipe = manifest["recipe"]
        self.snapshots = [
            (int(expert), epoch)
            for expert, entry in manifest["experts"].items()
            for epoch in range(len(entry["epochs"]))
        ]
        arrays = read_arrays(ExpertStore(self.folder).snapshot_path(0, 0))
        self.like = {n: jax.ShapeDtypeStruct(a.shape, a.dtype) for n, a in arrays.items()}
        self.whole = self.read(self.folder)
        self.names = sorted(
            str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()
        )

    def kind_of(self, name):
        kinds = {"preprocessing.npz": "preprocessing", **dict.fromkeys(MANIFESTS, "manifest")}
        return kinds.get(name, "known images" if "correct" in name else "snapshot")

    def siblings(self, name):
        if name in MANIFESTS:
            return [self.folder / n for n in MANIFESTS if n != name]
        if "/" not in name:
            return []
        expert, rest = name.split("/")
        return [self.folder / f"{1 - int(expert):04d}" / rest, self.folder / expert / "002.npz"]

    def read(self, folder):
        """piece -> its content, or the ``InputError`` in its place."""
        try:
            store = ExpertStore(folder, quiet)
            store.require(self.recipe)
        except InputError as error:
            return {"manifest": error}
        pieces = {"manifest": lambda: store.manifest}
        pieces["preprocessing"] = lambda: dict(store.preprocessing._asdict())
        for expert, epoch in self.snapshots:
            load = functools.partial(store.load, expert, epoch, self.like)
            pieces[f"{expert:04d}/{epoch:03d}.npz"] = load
            if epoch:
                known = functools.partial(store.correct, expert, epoch)
                pieces[f"{expert:04d}/{epoch:03d}.correct.npz"] = known
        return {piece: _or_error(function) for piece, function in pieces.items()}

    def try_one(self, name, damage):
        with self.bench.copy(self.folder) as folder:
            damage(folder / name)
            found = self.read(folder)
            refused = [piece for piece, value in found.items() if isinstance(value, InputError)]
            for piece in set(found) - set(refused) - {"manifest"}:
                if not same(found[piece], self.whole[piece]):
                    raise Wrong(f"{piece} is read as something else")
            before = self._require_manifest(found["manifest"])
            if refused or (before and damage.keywords.get("data") != self.before):
                _require_named(folder, name)
            return "refused" if refused else "repaired" if before else "harmless"

    def _require_manifest(self, found):
        """Whether the one before was taken; raises where it is neither."""
        if isinstance(found, InputError) or _as(found, self.manifests[0]):
            return False
        if not _as(found, self.manifests[1]):
            raise Wrong("the manifest is read as something else")
        return True


def _as(found, expected):
    """Equal but for a member that no version knows: ``checksum`` itself with a bit flipped."""
    return same({n: v for n, v in found.items() if n in expected}, expected)


def _or_error(function):
    try:
        return function()
    except InputError as error:
        return error


class _Run:
    """Reads a run's states, sets and settings, as the workflows read them."""

    def __init__(self, bench):
        self.bench, self.folder = bench, bench.run
        arrays = read_arrays(self.folder / "state.npz")
        del arrays["settings"]
        self.like = {n: jax.ShapeDtypeStruct(a.shape, a.dtype) for n, a in arrays.items()}
        self.states = []
        for name in STATES:
            state = read_arrays(self.folder / name)
            self.states.append({n: state[n] for n in self.like})
        self.sets = {name: fields(load_distilled(self.folder / name)) for name in SETS}
        self.config = read_json(self.folder / "config.json")

    def kind_of(self, name):
        return {"config.json": "settings"}.get(name, "set" if name in SETS else "state")

    def siblings(self, name):
        for group in (STATES, SETS):
            if name in group:
                return [self.folder / n for n in group if n != name]
        return []

    def try_one(self, name, damage):
        with self.bench.copy(self.folder) as folder:
            shutil.rmtree(folder / "grids", ignore_errors=True)
            damage(folder / name)
            read = {"config.json": self._settings, **dict.fromkeys(SETS, self._set)}
            with self.bench.copy(folder) as opened:  # which may be mended by that
                outcome = read.get(name, self._state)(opened, name)
            if outcome != "harmless":
                _require_named(folder, name)
            return outcome

    def _opened(self, folder, log=quiet):
        return RunFolder(folder, self.bench.settings.record(), EXTENDABLE, log)

    def _state(self, folder, name):
        lines, gone = [], not (folder / name).exists()
        run = self._opened(folder, lines.append)
        good = run.load_good(self.like)
        try:
            state = run.load_state(self.like)
        except InputError:
            return "refused"
        mine = self.states[:1] if name == "good.npz" else self.states
        if not any(same(state, one) for one in mine):
            raise Wrong("a state that this run never had is gone on from")
        if good is not None and not any(same(good, one) for one in self.states):
            raise Wrong("a state that this run never had would be fallen back to")
        # An older state of this run in its place is whole: a kill could have come after it.
        passed_over = gone or any(f"/{name}: " in line for line in lines)
        return "repaired" if passed_over else "harmless"

    def _set(self, folder, name):
        try:
            found = fields(load_distilled(folder / name))
        except InputError:
            return "refused"
        if same(found, self.sets[name]):
            return "harmless"
        if not any(found["settings"] == own["settings"] for own in self.sets.values()):
            # Another run's, and whole: it says so itself, and bin/check must.
            return "refused"
        if not any(same(found, own) for own in self.sets.values()):
            raise Wrong("a set is read as something else")
        return "refused"

    def _settings(self, folder, name):
        try:
            whole = _as(read_json(folder / name), self.config)
        except InputError:
            whole = False
        try:
            self._opened(folder)
        except InputError:
            return "refused"
        if not same(read_json(folder / name), self.config):
            raise Wrong("the settings are read as something else")
        return "harmless" if whole else "repaired"


def fields(distilled):
    """A set as values that can be compared."""
    found = {f.name: getattr(distilled, f.name) for f in dataclasses.fields(distilled)}
    arrays = {n: np.asarray(a) for n, a in distilled.preprocessing._asdict().items()}
    return found | {"preprocessing": arrays, "kind": distilled.preprocessing.kind}
