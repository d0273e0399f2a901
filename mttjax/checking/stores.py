"""Whether every snapshot of an expert store is what the manifest says."""

from pathlib import Path

import numpy as np

from mttjax.checkpoint import tree_checksum
from mttjax.errors import InputError
from mttjax.expert_store import ExpertStore, versions
from mttjax.npz import read_arrays
from mttjax.progress import progress_bar

__all__ = ["check_store", "is_store"]

RETRAIN = (
    "With it removed (bin/check --remove), the train_experts command that made the store trains "
    "it again and nothing else"
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
    with findings.of(folder / "manifest.json"):
        store = ExpertStore(folder, lambda line: findings.fault(folder / "manifest.json", line))
        _check_snapshots(store, findings)
        numbers = store.numbers()
        counts = sorted({store.epochs_done(n) - 1 for n in numbers})
        epochs = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{(*counts, 0)[0]}"
        return f"store of {len(numbers)} experts with {epochs} epochs"
    return "store"


def _check_snapshots(store, findings):
    with findings.of(store.folder / "preprocessing.npz", "Put back a copy of it"):
        _ = store.preprocessing
    if store.manifest["versions"] != versions():
        findings.note(f"{store.folder}: made with {_named(store.manifest['versions'])}")
    known, shapes = set(), {}
    total = sum(len(entry["epochs"]) for entry in store.manifest["experts"].values())
    with progress_bar("checking", total) as bar:
        for name, entry in store.manifest["experts"].items():
            for epoch, record in enumerate(entry["epochs"]):
                path = store.snapshot_path(int(name), epoch)
                known |= {path, path.with_suffix(".correct.npz")}
                _check_snapshot(path, record, shapes, findings)
                bar.advance(1, str(path.name))
    for path in sorted(store.folder.glob("[0-9]*/*.npz")):
        if path not in known:
            findings.note(f"{path}: the manifest does not know it; training writes it again")


def _check_snapshot(path, record, shapes, findings):
    if not path.exists():
        findings.fault(path, "the manifest knows this snapshot and it is gone", RETRAIN)
        return
    with findings.of(path, RETRAIN, removable=True):
        arrays = read_arrays(path)
        found = {name: (a.shape, a.dtype) for name, a in arrays.items()}
        shapes.setdefault("first", found)
        if found != shapes["first"]:
            raise InputError("its arrays are not those of the store's other snapshots")
        _require(record.get("checksum"), arrays)
        if not all(np.isfinite(a).all() for a in arrays.values()):
            raise InputError("it holds numbers that are not finite: the training diverged")
    if "correct_checksum" in record:
        beside = path.with_suffix(".correct.npz")
        with findings.of(beside, RETRAIN, removable=Path(beside).exists()):
            _require(record["correct_checksum"], read_arrays(beside))


def _require(known, arrays):
    if known is not None and (found := tree_checksum(arrays)) != known:
        raise InputError(
            f"its arrays have the checksum {found}, the manifest says {known}: it is not the "
            "file that was written here"
        )


def _named(found):
    return ", ".join(f"{name} {version}" for name, version in found.items())
