"""Expert trajectories on disk: one snapshot per expert and epoch, and a manifest.

``<store>/0007/012.npz`` holds the parameters of expert 7 after epoch 12 (000 is the
initialisation); ``manifest.json`` the recipe, versions and accuracies; ``preprocessing.npz`` the
arrays that the experts' images were normalised with.
"""

import contextlib
import datetime
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.preprocessing import Preprocessing, preprocessing_from_arrays
from mttjax.core.types import Params
from mttjax.datasets.dataset import Dataset
from mttjax.experts.manifest import FORMAT, MANIFEST, MANIFEST_LOCK, read_manifest, write_manifest
from mttjax.experts.recipe import differences, recipe_from, recipe_record
from mttjax.system.errors import InputError
from mttjax.system.locks import in_turn
from mttjax.system.npz import read_arrays, write_arrays
from mttjax.system.provenance import versions
from mttjax.system.trees import load_tree, save_tree, tree_checksum

__all__ = ["AGAIN", "ExpertStore", "checksum_fault"]

AGAIN = (
    "train_experts with the settings that the store was made with trains what is missing again, "
    "and nothing else"
)
"""The remedy for what is damaged."""


class ExpertStore:
    """A folder of expert trajectories made by one recipe.

    Args:
      folder: where the store is, or is to be.
      log: called with a line of text where something was repaired.

    Raises:
      InputError: the manifest is damaged, of another format, or gone. What is asked of a store
        that does not exist raises it too, but for what counts its snapshots.
    """

    folder: Path

    def __init__(self, folder: str | Path, log: Callable[[str], object] = print) -> None:
        self.folder = Path(folder)
        self._log, self._seen = log, self._stamp()
        self._manifest = read_manifest(self.folder, log)

    @property
    def exists(self) -> bool:
        """Whether it was begun."""
        return self._manifest is not None

    @property
    def _known(self) -> dict[str, Any]:
        if self._manifest is None:
            raise InputError(f"{self.folder}: no experts there; train them with train_experts")
        return self._manifest

    @property
    def recipe(self) -> Recipe:
        """What the experts are trained by."""
        return recipe_from(self._known["recipe"])

    def tested_on(self, dataset: Dataset) -> bool:
        """Whether the accuracies are those on the test images of ``dataset``, or nothing tells."""
        return self._known.get("tested_on") in (None, tree_checksum(dataset.test))

    @property
    def made(self) -> dict[str, Any]:
        """``created``, when it was begun, and ``versions``, what with."""
        return {name: self._known[name] for name in ("created", "versions")}

    @property
    def source(self) -> dict[str, str]:
        """The files that the experts were converted from, with their CRC-32; empty where they were
        trained here."""
        return self._known.get("source", {})

    def create(
        self,
        recipe: Recipe,
        dataset: Dataset,
        preprocessing: Preprocessing,
        *,
        source: dict[str, str] | None = None,
    ) -> None:
        """Begins the store; ``source`` as the property."""
        arrays = {name: np.asarray(a) for name, a in preprocessing._asdict().items()}
        write_arrays(self.folder / "preprocessing.npz", arrays)
        self._manifest = {
            "format": FORMAT,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "recipe": recipe_record(recipe, dataset),
            "preprocessing": preprocessing.kind,
            "preprocessing_checksum": tree_checksum(arrays),
            "versions": versions(),
            "tested_on": tree_checksum(dataset.test),
            "experts": {},
        } | ({"source": source} if source else {})
        write_manifest(self.folder, self._manifest)

    def require(self, recipe: Recipe, dataset: Dataset) -> None:
        """Raises ``InputError`` unless the experts were trained so, naming what differs."""
        if differing := differences(self._known["recipe"], recipe_record(recipe, dataset)):
            raise InputError(
                f"{self.folder}: the experts here were trained by another recipe: "
                f"{'; '.join(differing)}. Use those settings, or keep these experts in another "
                "folder"
            )

    @property
    def preprocessing(self) -> Preprocessing:
        """With the arrays that the experts were trained with."""
        path = self.folder / "preprocessing.npz"
        kind = self._known["preprocessing"]
        arrays = read_arrays(path)
        _require_checksum(path, arrays, self._known.get("preprocessing_checksum"))
        try:
            return preprocessing_from_arrays(kind, arrays)
        except ValueError as error:
            raise InputError(f"{path}: {error}; is it of this store?") from error

    def numbers(self) -> list[int]:
        """The numbers of the experts that the manifest knows."""
        return sorted(map(int, self._manifest["experts"])) if self._manifest else []

    def records(self, expert: int) -> list[dict[str, Any]]:
        """What the manifest says of an expert's epochs, from 0: JSON values."""
        known = self._manifest["experts"] if self._manifest else {}
        return known.get(f"{expert:04d}", {"epochs": []})["epochs"]

    def record(self, expert: int, epoch: int) -> dict[str, Any]:
        """What it says of a snapshot; empty where it knows none."""
        records = self.records(expert)
        return records[epoch] if epoch < len(records) else {}

    def accuracies(self) -> list[dict[int, float]]:
        """Of each expert, in the order of their numbers: epoch -> test accuracy in [0, 1]."""
        known = lambda expert: enumerate(self.records(expert))
        return [
            {epoch: r["test_accuracy"] for epoch, r in known(expert) if "test_accuracy" in r}
            for expert in self.numbers()
        ]

    def trained_longest(self) -> tuple[dict[int, float], int]:
        """(expert -> test accuracy in [0, 1] after its last epoch, that epoch) of those that were
        trained longest; nothing and 0 where there are none."""
        known = dict(zip(self.numbers(), self.accuracies(), strict=True))
        longest = max((max(epochs, default=0) for epochs in known.values()), default=0)
        return {e: epochs[longest] for e, epochs in known.items() if longest in epochs}, longest

    def seconds(self, experts: Iterable[int], last_epoch: int) -> float:
        """How long it took to train these experts to ``last_epoch``."""
        of_epochs = (r for expert in experts for r in self.records(expert)[: last_epoch + 1])
        return float(sum(record.get("seconds", 0) for record in of_epochs))

    def snapshot_path(self, expert: int, epoch: int) -> Path:
        """Where a snapshot is, or is to be."""
        return self.folder / f"{expert:04d}" / f"{epoch:03d}.npz"

    def save(self, expert: int, epoch: int, params: Params, *, record: dict[str, Any]) -> bool:
        """Writes a snapshot, then enters ``record`` (JSON values) for it in the manifest.

        Args:
          expert: its number.
          epoch: how many epochs it was trained.
          params: a pytree of arrays.
          record: JSON values about the epoch.

        Returns:
          Whether the manifest knew the snapshot before, with this very content: then the
          snapshots after it follow from it still. If not, those are forgotten.
        """
        save_tree(self.snapshot_path(expert, epoch), params)
        record = record | {"checksum": tree_checksum(params)}
        with in_turn(self.folder / MANIFEST_LOCK):
            self.refresh()
            same = self.record(expert, epoch).get("checksum") == record["checksum"]
            records = self.records(expert)
            later = records[epoch + 1 :] if same else []
            entry = {"epochs": [*records[:epoch], record, *later]}
            self._known["experts"][f"{expert:04d}"] = entry
            write_manifest(self.folder, self._known)
            self._seen = self._stamp()
        return same

    def refresh(self) -> None:
        """Reads what other processes entered in the manifest, if it is not the one seen last."""
        if (stamp := self._stamp()) != self._seen:
            self._manifest = read_manifest(self.folder, self._log) or self._manifest
            self._seen = stamp

    def _stamp(self):
        """Tells manifests apart without reading them: each is a file of its own."""
        # Opened, as what is known of a file of another machine may be old.
        with contextlib.suppress(FileNotFoundError), open(self.folder / MANIFEST, "rb") as file:
            at = os.fstat(file.fileno())
            return at.st_ino, at.st_mtime_ns, at.st_size
        return None

    def load(self, expert: int, epoch: int, like: Params) -> Params:
        """The parameters of an expert after an epoch, as NumPy arrays shaped like ``like``.

        Raises:
          InputError: no such snapshot, a damaged one, or another than the manifest speaks of;
            the file is named.
        """
        path = self.snapshot_path(expert, epoch)
        if not path.exists():
            raise InputError(f"{path}: no such snapshot; {AGAIN}")
        try:
            params = load_tree(path, like)
        except InputError as error:
            raise InputError(f"{error}. Where it is damaged, remove it; {AGAIN}") from error
        _require_checksum(path, params, self.record(expert, epoch).get("checksum"))
        return params

    def missing(self, expert: int, last_epoch: int) -> list[int]:
        """The epochs 0 to ``last_epoch`` of which there is no snapshot, or no record of it."""
        return [e for e in range(last_epoch + 1) if not self._is_there(expert, e)]

    def _is_there(self, expert, epoch):
        return bool(self.record(expert, epoch)) and self.snapshot_path(expert, epoch).exists()

    def epochs_done(self, expert: int) -> int:
        """How many snapshots of an expert there are, in unbroken order from epoch 0."""
        done = 0
        while self._is_there(expert, done):
            done += 1
        return done

    def experts_with(self, last_epoch: int) -> list[int]:
        """The numbers of the experts that have every snapshot from 0 to ``last_epoch``."""
        return [n for n in self.numbers() if not self.missing(n, last_epoch)]


def _require_checksum(path, tree, known):
    if fault := checksum_fault(tree, known):
        raise InputError(f"{path}: {fault}. Remove it; {AGAIN}")


def checksum_fault(tree: Params, known: str | None) -> str:
    """Why arrays are not those that the manifest knows by a checksum; empty where they are."""
    if known is None or (found := tree_checksum(tree)) == known:
        return ""
    return (
        f"its arrays have the checksum {found}, the manifest says {known}: it is not the file "
        "that was written here"
    )
