"""Preparing datasets for TFDS, under its names and in its order, without TensorFlow."""

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from mttjax.datasets.archives import archive_names, find_archives, read_archives
from mttjax.datasets.catalogue import CATALOGUE, CIFAR100_COARSE, CIFAR100_SUPERCLASSES
from mttjax.datasets.dataset import Split
from mttjax.system.errors import InputError

__all__ = ["prepare", "prepare_from_archives"]

# Digits of the "id" that TFDS gives each example; the MNISTs have none.
_ID_DIGITS = {"cifar10": 5, "cifar100": 5, "svhn_cropped": 6}


def prepare_from_archives(name: str, archives_folder: str | Path, data_dir: str | Path) -> Path:
    """Prepares a TFDS dataset as array_record from archives that are already here.

    Args:
      name: "mnist", "fashion_mnist", "cifar10", "cifar100" or "svhn_cropped" (without
        its "extra" split).
      archives_folder: holds the official archives, itself or in a sub-folder ``name``.
      data_dir: TFDS's data folder, where ``name/<version>`` is written.

    Returns:
      The folder written. TFDS reads it, and so does ``load_dataset`` with
      ``folder=data_dir``.

    Raises:
      InputError: an unknown name, missing or damaged archives, a dataset that is there
        already, a folder that cannot be written.
    """
    if name not in CATALOGUE:
        raise InputError(f"{name!r} cannot be prepared, only {', '.join(CATALOGUE)}")
    folder = Path(archives_folder).expanduser()
    paths = find_archives(name, folder)
    if paths is None:
        raise InputError(f"no archives of {name} in {folder}: expected {archive_names(name)}")
    return prepare(name, Path(data_dir).expanduser(), paths)


def prepare(name: str, data_dir: Path, paths: Mapping[str, Path] | None = None) -> Path:
    """As ``prepare_from_archives``; without ``paths`` from the network, checked by their sums."""
    folder = data_dir / name / CATALOGUE[name].version
    if folder.exists():
        raise InputError(f"{folder} is there already: remove it or choose another data folder")
    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(try_download_gcs=False, force_checksums_validation=True)
    try:
        builder = _builder_class(tfds, name, paths)(data_dir=data_dir, file_format="array_record")
        with _quiet(tfds):
            builder.download_and_prepare(download_config=config)
    except InputError:
        raise
    # Network, disk and TFDS itself: each has its own family of exceptions.
    except Exception as error:
        raise InputError(
            f"could not prepare {name} in {data_dir}: {error}. Check the network and the disk, or "
            f"give a folder with {archive_names(name)}"
        ) from error
    return folder


def _builder_class(tfds: Any, dataset: str, paths: Mapping[str, Path] | None) -> type:
    """A builder of ``dataset`` that takes the archives at ``paths`` or downloads them."""
    version, _, _, archives = CATALOGUE[dataset]

    class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
        name = dataset
        VERSION = tfds.core.Version(version)
        url_infos = _url_infos(dataset)

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                description=f"{dataset}, prepared from its official archives by mttjax.",
                features=tfds.features.FeaturesDict(_features(tfds, dataset)),
                supervised_keys=("image", "label"),
            )

        def _split_generators(self, dl_manager):
            fetched = paths or dl_manager.download({file: a.url for file, a in archives.items()})
            source = read_archives(dataset, {file: Path(p) for file, p in fetched.items()})
            return {p: self._generate_examples(p, getattr(source, p)) for p in ("train", "test")}

        def _generate_examples(self, part, split):
            return _examples(dataset, part, split)

    return Builder


def _url_infos(name: str) -> dict[str, object]:
    from tensorflow_datasets.core import units
    from tensorflow_datasets.core.download.checksums import UrlInfo

    return {
        a.url: UrlInfo(size=units.Size(a.size), checksum=a.sha256, filename=file)
        for file, a in CATALOGUE[name].archives.items()
    }


def _features(tfds: ModuleType, name: str) -> dict[str, object]:
    """TFDS's own, also those that nobody here reads: its readers would miss them."""
    entry = CATALOGUE[name]
    features = {
        "image": tfds.features.Image(shape=entry.shape),
        "label": tfds.features.ClassLabel(names=entry.class_names),
    }
    if name in _ID_DIGITS:
        features["id"] = tfds.features.Text()
    if name == "cifar100":
        features["coarse_label"] = tfds.features.ClassLabel(names=list(CIFAR100_SUPERCLASSES))
    return features


def _examples(name: str, part: str, split: Split) -> Iterator[tuple[int, dict[str, object]]]:
    for key, (pixels, label) in enumerate(zip(*split, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
        example: dict[str, object] = {"image": buffer.getvalue(), "label": int(label)}
        if name in _ID_DIGITS:
            example["id"] = f"{part}_{key:0{_ID_DIGITS[name]}d}"
        if name == "cifar100":
            example["coarse_label"] = CIFAR100_COARSE[label]
        # TFDS orders by a hash of this key: the position in the archives, as in its own.
        yield key, example


@contextlib.contextmanager
def _quiet(tfds: ModuleType) -> Iterator[None]:
    """Progress to the terminal if there is one, nothing to a log, never to the output."""
    terminal = sys.stderr.isatty()
    if not terminal:
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(sys.stderr if terminal else io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
