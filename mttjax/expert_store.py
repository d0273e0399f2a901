"""Expert trajectories on disk: one snapshot per expert and epoch, and a manifest.

``<store>/0007/012.npz`` holds the parameters of expert 7 after epoch 12 (000 is the
initialisation); ``012.correct.npz`` beside it, which training images the expert classified
correctly when they were presented in that epoch; ``manifest.json`` holds the recipe,
versions and accuracies;
``preprocessing.npz`` the arrays that the experts' images were normalised with.
"""

import datetime
import importlib.metadata
import re
from pathlib import Path

import numpy as np

from mttjax.checkpoint import load_tree, save_tree
from mttjax.errors import InputError
from mttjax.files import read_json, write_json
from mttjax.networks import BEFORE
from mttjax.npz import read_arrays, write_arrays
from mttjax.preprocessing import preprocessing_from_arrays

__all__ = ["ExpertStore", "versions"]

FORMAT = 1


def versions():
    """The versions that decide a result's bits, by package."""
    packages = ("mttjax", "jax", "jaxlib", "flax", "optax", "numpy")
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


class ExpertStore:
    """A folder of expert trajectories made by one recipe.

    Args:
      folder: where the store is, or is to be.

    Attributes:
      folder: its path.
      manifest: the manifest as a dictionary; None before ``create``.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        self.manifest = read_json(path) if path.exists() else None
        if self.manifest is not None and self.manifest.get("format") != FORMAT:
            raise InputError(
                f"{path}: the store's format is {self.manifest.get('format')!r}, this version "
                f"reads {FORMAT}; make a new store with --experts.folder"
            )

    def create(self, recipe, preprocessing):
        """Begins the store, or checks that the one here was made by ``recipe``.

        Args:
          recipe: a flat dictionary of JSON values; everything that decides the snapshots.
          preprocessing: ``Standardize`` or ``ZCA``.

        Raises:
          InputError: the store here was made by another recipe; the message says which
            field differs.
        """
        if self.manifest is not None:
            self.require(recipe)
            return
        write_arrays(self.folder / "preprocessing.npz", preprocessing._asdict())
        self.manifest = {
            "format": FORMAT,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "recipe": recipe,
            "preprocessing": preprocessing.kind,
            "versions": versions(),
            "experts": {},
        }
        self._write_manifest()

    def require(self, recipe):
        """Raises ``InputError`` unless the store was made by ``recipe``, naming what differs."""
        older = {f"network.{name}": value for name, value in BEFORE.items()}
        mine, recipe = older | self.manifest["recipe"], older | recipe
        names = sorted(set(mine) | set(recipe))
        differing = [n for n in names if mine.get(n) != recipe.get(n)]
        if differing:
            listed = "; ".join(
                f"{n} is {mine.get(n)!r} there and {recipe.get(n)!r} here" for n in differing
            )
            raise InputError(
                f"{self.folder}: the experts here were trained by another recipe: {listed}. "
                "Use those settings, or keep these experts elsewhere with --experts.folder"
            )

    @property
    def preprocessing(self):
        """``Standardize`` or ``ZCA``, with the arrays that the experts were trained with."""
        arrays = read_arrays(self.folder / "preprocessing.npz")
        return preprocessing_from_arrays(self.manifest["preprocessing"], arrays)

    def snapshot_path(self, expert, epoch):
        return self.folder / f"{expert:04d}" / f"{epoch:03d}.npz"

    def save(self, expert, epoch, params, *, record, correct=None):
        """Writes a snapshot, then enters ``record`` (JSON values) for it in the manifest.

        Args:
          expert: its number.
          epoch: how many epochs it was trained.
          params: a pytree of arrays.
          record: JSON values about the epoch.
          correct: [n] bool, see ``EpochRecord``; None at epoch 0.
        """
        path = self.snapshot_path(expert, epoch)
        if correct is not None:
            bits = {"bits": np.packbits(np.asarray(correct)), "count": np.int64(len(correct))}
            write_arrays(self._correct_path(path), bits)
        save_tree(path, params)
        entry = self.manifest["experts"].setdefault(f"{expert:04d}", {"epochs": []})
        entry["epochs"] = [*entry["epochs"][:epoch], record]
        self._write_manifest()

    def load(self, expert, epoch, like):
        """The parameters of an expert after an epoch, as NumPy arrays shaped like ``like``.

        Raises:
          InputError: no such snapshot, or a damaged one; the file is named.
        """
        path = self.snapshot_path(expert, epoch)
        if not path.exists():
            raise InputError(
                f"{path}: no such snapshot; train this expert again: remove "
                f"{path.parent} and run the train_experts command that made it"
            )
        return load_tree(path, like)

    def correct(self, expert, epochs):
        """[T, n] bool: which training images an expert knew when they came, epochs 1 to T.

        Raises:
          InputError: an epoch has no such record: the store is from before it was kept.
        """
        rows = []
        for epoch in range(1, epochs + 1):
            path = self._correct_path(self.snapshot_path(expert, epoch))
            if not path.exists():
                raise InputError(
                    f"{path}: no record of which images the expert knew; it is kept since "
                    "version 0.2: train these experts again with --experts.folder elsewhere"
                )
            arrays = read_arrays(path)
            rows.append(np.unpackbits(arrays["bits"], count=int(arrays["count"])).astype(bool))
        return np.stack(rows)

    @staticmethod
    def _correct_path(snapshot):
        return snapshot.with_suffix(".correct.npz")

    def epochs_done(self, expert):
        """How many snapshots of an expert are whole, in unbroken order from epoch 0."""
        if self.manifest is None:
            return 0
        entry = self.manifest["experts"].get(f"{expert:04d}", {"epochs": []})
        done = 0
        while done < len(entry["epochs"]) and self.snapshot_path(expert, done).exists():
            done += 1
        return done

    def experts_with(self, last_epoch):
        """The numbers of the experts that have every snapshot from 0 to ``last_epoch``."""
        if self.manifest is None:
            return []
        numbers = [int(n) for n in self.manifest["experts"] if re.fullmatch(r"\d{4}", n)]
        return sorted(n for n in numbers if self.epochs_done(n) > last_epoch)

    def _write_manifest(self):
        write_json(self.folder / "manifest.json", self.manifest)
