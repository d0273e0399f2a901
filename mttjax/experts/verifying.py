"""Whether every snapshot of an expert store is what the manifest says."""

from pathlib import Path

import numpy as np

from mttjax.experts.manifest import BEFORE, MANIFEST
from mttjax.experts.store import AGAIN, ExpertStore, checksum_fault
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.findings import Findings
from mttjax.system.npz import read_arrays
from mttjax.system.progress import progress_bar
from mttjax.system.provenance import versions

__all__ = ["check_store", "is_store"]

RETRAIN = f"With it removed, {AGAIN}"

OF_ANOTHER = (
    "none of the snapshots is what it says: it is the manifest of another store. Put back a copy "
    "of the one that was here, or make a new store in another folder"
)


def is_store(folder: Path) -> bool:
    """Whether a folder is, or was, an expert store."""
    return (folder / MANIFEST).exists() or any(folder.glob("[0-9][0-9][0-9][0-9]/*.npz"))


def check_store(folder: Path, findings: Findings) -> str:
    """Reads every file of a store, adds to ``findings``, and says in a line what is there."""
    path = folder / MANIFEST
    told: list[str] = []
    with findings.of(path):
        store = ExpertStore(folder, told.append)
        for line in told:
            findings.fault(path, line)
        if not told:
            _check_before(folder / BEFORE, findings)
        _check_snapshots(store, findings)
        numbers = store.numbers()
        counts = sorted({store.epochs_done(n) - 1 for n in numbers})
        epochs = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{(*counts, 0)[0]}"
        return f"store of {len(numbers)} experts with {epochs} epochs"
    return "store"


def _check_before(path, findings):
    """The manifest's copy; only where the manifest is whole can it be removed."""
    if path.exists():
        with findings.of(path, "The next snapshot writes it again", removable=True):
            read_json(path)


def _check_snapshots(store, findings):
    with findings.of(store.folder / "preprocessing.npz", "Put back a copy of it"):
        _ = store.preprocessing
    if _releases(made := store.made["versions"]) != _releases(versions()):
        listed = ", ".join(f"{name} {version}" for name, version in made.items())
        findings.note(f"{store.folder}: made with {listed}")
    known, snapshots = set(), _Snapshots()
    total = sum(len(store.records(expert)) for expert in store.numbers())
    with progress_bar("checking", total) as bar:
        for expert in store.numbers():
            for epoch, record in enumerate(store.records(expert)):
                path = store.snapshot_path(expert, epoch)
                known.add(path)
                snapshots.check(path, record)
                bar.advance(1, str(path.name))
    if snapshots.strange == total > 1:
        findings.checked += snapshots.findings.checked
        findings.fault(store.folder / MANIFEST, OF_ANOTHER)
    else:
        findings.extend(snapshots.findings)
    for path in sorted(store.folder.glob("[0-9]*/*.npz")):
        if path not in known:
            findings.note(f"{path}: the manifest does not know it; training writes it again")


def _releases(found):
    """Without the commit: one that changes nothing here is not worth a note."""
    return {name: version.partition("+")[0] for name, version in found.items()}


class _Snapshots:
    """What was found in them; ``strange`` counts those that are whole and not the manifest's."""

    def __init__(self):
        self.findings, self.strange, self._first = Findings(), 0, None

    def check(self, path, record):
        if not path.exists():
            self.findings.fault(path, "the manifest knows this snapshot and it is gone", RETRAIN)
            return
        with self.findings.of(path, RETRAIN, removable=True):
            arrays = read_arrays(path)
            shapes = {name: (a.shape, a.dtype) for name, a in arrays.items()}
            self._first = self._first or shapes
            fault = checksum_fault(arrays, record.get("checksum"))
            self.strange += bool(fault)
            if shapes != self._first:
                fault = "its arrays are not those of the store's other snapshots"
            elif not fault and not all(np.isfinite(a).all() for a in arrays.values()):
                fault = "it holds numbers that are not finite: the training diverged"
            if fault:
                raise InputError(fault)
