"""Expert trajectories on disk: one snapshot per expert and epoch, and a manifest.

``<store>/0007/012.npz`` holds the parameters of expert 7 after epoch 12 (000 is the
initialisation); ``012.correct.npz`` beside it, which training images the expert classified
correctly when they were presented in that epoch; ``manifest.json`` holds the recipe,
versions and accuracies;
``preprocessing.npz`` the arrays that the experts' images were normalised with.
"""

import datetime
from pathlib import Path

import numpy as np

from mttjax.core.networks import BEFORE
from mttjax.core.preprocessing import preprocessing_from_arrays
from mttjax.experts.manifest import FORMAT, read_manifest, write_manifest
from mttjax.system.errors import InputError
from mttjax.system.npz import read_arrays, write_arrays
from mttjax.system.provenance import versions
from mttjax.system.trees import load_tree, save_tree, tree_checksum

__all__ = ["ExpertStore"]

AGAIN = (
    "the train_experts command that made the store: what is missing is trained again, and "
    "nothing else"
)


class ExpertStore:
    """A folder of expert trajectories made by one recipe.

    Args:
      folder: where the store is, or is to be.
      log: called with a line of text where something was repaired.

    Attributes:
      folder: its path.
      manifest: the manifest as a dictionary; None before ``create``.

    Raises:
      InputError: the manifest is damaged, of another format, or gone.
    """

    def __init__(self, folder, log=print):
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder, log)

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
        arrays = {name: np.asarray(a) for name, a in preprocessing._asdict().items()}
        write_arrays(self.folder / "preprocessing.npz", arrays)
        self.manifest = {
            "format": FORMAT,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "recipe": recipe,
            "preprocessing": preprocessing.kind,
            "preprocessing_checksum": tree_checksum(arrays),
            "versions": versions(),
            "experts": {},
        }
        write_manifest(self.folder, self.manifest)

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
        path = self.folder / "preprocessing.npz"
        arrays = read_arrays(path)
        self._require_checksum(path, arrays, self.manifest.get("preprocessing_checksum"))
        try:
            return preprocessing_from_arrays(self.manifest["preprocessing"], arrays)
        except ValueError as error:
            raise InputError(f"{path}: {error}; is it of this store?") from error

    def snapshot_path(self, expert, epoch):
        return self.folder / f"{expert:04d}" / f"{epoch:03d}.npz"

    def record(self, expert, epoch):
        """What the manifest says of a snapshot; None where it knows none."""
        epochs = self.manifest["experts"].get(f"{expert:04d}", {"epochs": []})["epochs"]
        return epochs[epoch] if epoch < len(epochs) else None

    def save(self, expert, epoch, params, *, record, correct=None):
        """Writes a snapshot, then enters ``record`` (JSON values) for it in the manifest.

        Args:
          expert: its number.
          epoch: how many epochs it was trained.
          params: a pytree of arrays.
          record: JSON values about the epoch.
          correct: [n] bool, see ``EpochRecord``; None at epoch 0.

        Returns:
          Whether the manifest knew the snapshot before, with this very content: then the
          snapshots after it follow from it still. If not, those are forgotten.
        """
        path = self.snapshot_path(expert, epoch)
        if correct is not None:
            bits = {"bits": np.packbits(np.asarray(correct)), "count": np.int64(len(correct))}
            write_arrays(self._correct_path(path), bits)
            record = record | {"correct_checksum": tree_checksum(bits)}
        save_tree(path, params)
        record = record | {"checksum": tree_checksum(params)}
        known = self.record(expert, epoch) or {}
        same = known.get("checksum") == record["checksum"]
        entry = self.manifest["experts"].setdefault(f"{expert:04d}", {"epochs": []})
        later = entry["epochs"][epoch + 1 :] if same else []
        entry["epochs"] = [*entry["epochs"][:epoch], record, *later]
        write_manifest(self.folder, self.manifest)
        return same

    def load(self, expert, epoch, like):
        """The parameters of an expert after an epoch, as NumPy arrays shaped like ``like``.

        Raises:
          InputError: no such snapshot, a damaged one, or another than the manifest speaks of;
            the file is named.
        """
        path = self.snapshot_path(expert, epoch)
        if not path.exists():
            raise InputError(f"{path}: no such snapshot; run {AGAIN}")
        params = load_tree(path, like)
        known = self.record(expert, epoch) if self.manifest else None
        self._require_checksum(path, params, (known or {}).get("checksum"))
        return params

    @staticmethod
    def _require_checksum(path, tree, known):
        if known is not None and (found := tree_checksum(tree)) != known:
            raise InputError(
                f"{path}: its arrays have the checksum {found}, the manifest says {known}: "
                f"it is not the file that was written here. Remove it and run {AGAIN}"
            )

    def correct(self, expert, epochs):
        """[T, n] bool: which training images an expert knew when they came, epochs 1 to T.

        Raises:
          InputError: an epoch has no such record: the store is from before it was kept.
        """
        return np.stack([self._correct_of(expert, epoch) for epoch in range(1, epochs + 1)])

    def _correct_of(self, expert, epoch):
        path = self._correct_path(self.snapshot_path(expert, epoch))
        known = (self.record(expert, epoch) or {}).get("correct_checksum")
        if not path.exists():
            if known is not None:
                raise InputError(f"{path}: no such file; run {AGAIN}")
            raise InputError(
                f"{path}: no record of which images the expert knew; it is kept since "
                "version 0.2: train these experts again with --experts.folder elsewhere"
            )
        arrays = read_arrays(path)
        self._require_checksum(path, arrays, known)
        try:
            return np.unpackbits(arrays["bits"], count=int(arrays["count"])).astype(bool)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}: not a record of known images ({error!r}). Remove it and run {AGAIN}"
            ) from error

    @staticmethod
    def _correct_path(snapshot):
        return snapshot.with_suffix(".correct.npz")

    def missing(self, expert, last_epoch):
        """The epochs 0 to ``last_epoch`` of which there is no snapshot, or no record of it."""
        if self.manifest is None:
            return list(range(last_epoch + 1))
        return [e for e in range(last_epoch + 1) if not self._is_there(expert, e)]

    def _is_there(self, expert, epoch):
        record, path = self.record(expert, epoch), self.snapshot_path(expert, epoch)
        if record is None or not path.exists():
            return False
        return "correct_checksum" not in record or self._correct_path(path).exists()

    def epochs_done(self, expert):
        """How many snapshots of an expert there are, in unbroken order from epoch 0."""
        done = 0
        while self.manifest is not None and self._is_there(expert, done):
            done += 1
        return done

    def experts_with(self, last_epoch):
        """The numbers of the experts that have every snapshot from 0 to ``last_epoch``."""
        numbers = self.numbers()
        return [n for n in numbers if not self.missing(n, last_epoch)]

    def numbers(self):
        """The numbers of the experts that the manifest knows."""
        return sorted(map(int, self.manifest["experts"])) if self.manifest else []
