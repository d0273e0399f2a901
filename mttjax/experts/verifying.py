"""Whether every snapshot of an expert store is what the manifest says."""

import numpy as np

from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.findings import Findings
from mttjax.system.npz import read_arrays
from mttjax.system.progress import progress_bar
from mttjax.system.provenance import versions
from mttjax.system.trees import tree_checksum

__all__ = ["check_store", "is_store"]

RETRAIN = (
    "With it removed (bin/check --remove), the train_experts command that made the store trains "
    "it again and nothing else"
)

OF_ANOTHER = (
    "none of the snapshots is what it says: it is the manifest of another store. Put back a copy "
    "of the one that was here, or make a new store with --experts.folder"
)


def is_store(folder):
    """Whether a folder is, or was, an expert store."""
    return (folder / "manifest.json").exists() or any(folder.glob("[0-9][0-9][0-9][0-9]/*.npz"))


def check_store(folder, findings):
    """Reads every file of a store.

    Args:
      folder: a ``Path``.
      findings: a ``Findings``, added to.

    Returns:
      A line that says what is there.
    """
    path, told = folder / "manifest.json", []
    with findings.of(path):
        store = ExpertStore(folder, told.append)
        for line in told:
            findings.fault(path, line)
        if not told:
            _check_before(folder / "manifest.before.json", findings)
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
    if store.manifest["versions"] != versions():
        findings.note(f"{store.folder}: made with {_named(store.manifest['versions'])}")
    known, own = set(), _Snapshots()
    total = sum(len(entry["epochs"]) for entry in store.manifest["experts"].values())
    with progress_bar("checking", total) as bar:
        for name, entry in store.manifest["experts"].items():
            for epoch, record in enumerate(entry["epochs"]):
                path = store.snapshot_path(int(name), epoch)
                known |= {path, path.with_suffix(".correct.npz")}
                own.check(path, record)
                bar.advance(1, str(path.name))
    if own.strange == total > 1:
        findings.checked += own.findings.checked
        findings.fault(store.folder / "manifest.json", OF_ANOTHER)
    else:
        findings.extend(own.findings)
    for path in sorted(store.folder.glob("[0-9]*/*.npz")):
        if path not in known:
            findings.note(f"{path}: the manifest does not know it; training writes it again")


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
            found = {name: (a.shape, a.dtype) for name, a in arrays.items()}
            self._first = self._first or found
            self.strange += _differs(record.get("checksum"), arrays)
            if found != self._first:
                raise InputError("its arrays are not those of the store's other snapshots")
            _require(record.get("checksum"), arrays)
            if not all(np.isfinite(a).all() for a in arrays.values()):
                raise InputError("it holds numbers that are not finite: the training diverged")
        if "correct_checksum" in record:
            beside = path.with_suffix(".correct.npz")
            with self.findings.of(beside, RETRAIN, removable=beside.exists()):
                _require(record["correct_checksum"], read_arrays(beside))


def _differs(known, arrays):
    return known is not None and tree_checksum(arrays) != known


def _require(known, arrays):
    if _differs(known, arrays):
        raise InputError(
            f"its arrays have the checksum {tree_checksum(arrays)}, the manifest says {known}: it "
            "is not the file that was written here"
        )


def _named(found):
    return ", ".join(f"{name} {version}" for name, version in found.items())
