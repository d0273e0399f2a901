"""What TFDS prepares and reads, in small, without TensorFlow and without network."""

import hashlib
import io
import json
import os
import shutil
import socket
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from small import write_mnist, write_tar

from mttjax.datasets.cache import cached
from mttjax.datasets.catalogue import CATALOGUE, CIFAR100_COARSE
from mttjax.datasets.dataset import Source, Split
from mttjax.datasets.loading import load_dataset
from mttjax.datasets.prepared import _decoded
from mttjax.datasets.preparing import prepare_from_archives
from mttjax.system.errors import InputError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def offline(monkeypatch, request):
    def refuse(self, address):
        raise AssertionError(f"connects to {address}")

    if "mirror" not in request.fixturenames:
        monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def archives(tmp_path):
    write_mnist(tmp_path / "archives")
    return tmp_path / "archives"


def assert_same(one, other):
    assert one.class_names == other.class_names
    for part in ("train", "validation", "test"):
        for a, b in zip(getattr(one, part), getattr(other, part), strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


def test_prepared_and_archives_are_the_same_images_in_the_same_order(tmp_path, archives):
    folder = prepare_from_archives("fashion_mnist", archives, tmp_path / "data")
    assert folder == tmp_path / "data" / "fashion_mnist" / "3.0.1"
    from_archives = load_dataset("fashion_mnist", folder=archives)
    for _ in range(2):  # decoded, and from the cache
        assert_same(load_dataset("fashion_mnist", folder=tmp_path / "data"), from_archives)
    assert "tensorflow" not in sys.modules


def test_tfds_reads_what_was_prepared_under_its_name_in_its_order(tmp_path, archives):
    prepare_from_archives("mnist", archives, tmp_path / "tfds")
    source = tfds.data_source("mnist", split="test", data_dir=tmp_path / "tfds", download=False)
    test = load_dataset("mnist").test
    order = sorted(range(20), key=lambda k: hashlib.md5(f"test{k}".encode()).digest())
    assert order != list(range(20))
    for record, k in zip(source, order, strict=True):
        np.testing.assert_array_equal(record["image"], test.images[k])
        assert record["label"] == test.labels[k]


def test_cifar100_has_tfds_features(tmp_path):
    records = RNG.integers(0, 256, (100, 3074), np.uint8)
    records[:, 1] = np.arange(100)
    parts = {f"cifar-100-binary/{part}.bin": records.tobytes() for part in ("train", "test")}
    write_tar(tmp_path / "cifar-100-binary.tar.gz", parts)
    prepare_from_archives("cifar100", tmp_path, tmp_path / "data")
    source = tfds.data_source("cifar100", split="train", data_dir=tmp_path / "data", download=False)
    record = source[0]
    key = int(record["id"].decode().removeprefix("train_"))
    loaded = load_dataset("cifar100", folder=tmp_path / "data", validation=0)
    np.testing.assert_array_equal(record["image"], loaded.train.images[key])
    names = {part: source.dataset_info.features[part].names for part in ("label", "coarse_label")}
    assert names["label"][key] == loaded.class_names[key]
    assert record["coarse_label"] == CIFAR100_COARSE[key]
    assert names["coarse_label"][CIFAR100_COARSE[1]] == "fish"


def test_a_damaged_or_impossible_cache_is_done_without(tmp_path, archives, monkeypatch):
    prepare_from_archives("mnist", archives, tmp_path / "data")
    first = load_dataset("mnist", folder=tmp_path / "data")
    (cache,) = (tmp_path / ".cache" / "mttjax" / "datasets").iterdir()
    whole = cache.read_bytes()
    for damaged in (whole[:1000], b"", whole[:5000] + b"x" + whole[5001:]):
        cache.write_bytes(damaged)
        assert_same(load_dataset("mnist", folder=tmp_path / "data"), first)
        assert len(cache.read_bytes()) == len(whole)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert_same(load_dataset("mnist", folder=tmp_path / "data"), first)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(archives / "train-images-idx3-ubyte.gz"))
    assert_same(load_dataset("mnist", folder=tmp_path / "data"), first)


def test_faults_of_prepared_datasets_are_named(tmp_path, archives):
    folder = prepare_from_archives("mnist", archives, tmp_path)
    with pytest.raises(InputError, match=r"mnist/3.0.1 is there already"):
        prepare_from_archives("mnist", archives, tmp_path)
    shard = next(folder.glob("*train.array_record*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cannot read .*3.0.1.*Remove that folder"):
        load_dataset("mnist", folder=tmp_path)
    info = folder / "dataset_info.json"
    tfrecord = json.loads(info.read_text()) | {"fileFormat": "tfrecord"}
    for text in (json.dumps(tfrecord), "["):
        info.write_text(text)
        with pytest.raises(InputError, match=r"looked in .*mnist .*as array_record"):
            load_dataset("mnist", folder=tmp_path)


def test_other_features_than_tfds_own_are_not_imported(tmp_path, archives, monkeypatch):
    """TFDS imports the module that features.json names."""
    folder = prepare_from_archives("mnist", archives, tmp_path)
    (tmp_path / "stranger.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(tmp_path)
    text = (folder / "features.json").read_text()
    own = "tensorflow_datasets.core.features.image_feature.Image"
    assert own in text
    (folder / "features.json").write_text(text.replace(own, "stranger.Image"))
    with pytest.raises(InputError, match=r"features.json names the class 'stranger.Image'"):
        load_dataset("mnist", folder=tmp_path)


def test_images_of_another_size_or_format_are_refused_before_they_are_decoded():
    def packed(size, kind, mode="L"):
        out = io.BytesIO()
        Image.new(mode, size).save(out, kind)
        return out.getvalue()

    assert _decoded(packed((28, 28), "PNG"), (28, 28, 1)).shape == (28, 28, 1)
    for wrong in (((29, 28), "PNG"), ((28, 28), "PNG", "RGB"), ((28, 28), "BMP")):
        with pytest.raises((ValueError, OSError), match=r"expected L|cannot identify"):
            _decoded(packed(*wrong), (28, 28, 1))


def test_a_copied_time_does_not_bring_back_old_images(tmp_path):
    folder = tmp_path / "1.0"
    folder.mkdir()
    file = folder / "data"
    file.write_text("one")
    at = file.stat()
    split = Split(np.zeros((1, 2, 2, 1), np.uint8), np.zeros(1, np.int32))
    sources = iter(Source((name,), split, split) for name in ("one", "two"))

    def name():
        return cached(folder, "x", lambda: next(sources)).class_names[0]

    assert [name(), name()] == ["one", "one"]
    file.write_text("two")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert [name(), name()] == ["two", "two"]


def test_faults_of_preparing_are_named(tmp_path, archives):
    with pytest.raises(InputError, match="'digits' cannot be prepared, only mnist"):
        prepare_from_archives("digits", archives, tmp_path)
    with pytest.raises(InputError, match=r"no archives of cifar10 in .*cifar-10-binary"):
        prepare_from_archives("cifar10", archives, tmp_path)
    (archives / "t10k-labels-idx1-ubyte.gz").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"cannot read .*t10k-labels"):
        prepare_from_archives("mnist", archives, tmp_path / "data")
    assert not list((tmp_path / "data").glob("mnist/3*"))


@pytest.fixture
def mirror(archives, monkeypatch):
    """MNIST's catalogue entry with a local server in place of the official one."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = partial(SimpleHTTPRequestHandler, directory=archives)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        local = {}
        for name, archive in CATALOGUE["mnist"].archives.items():
            content = (archives / name).read_bytes()
            url, sha256 = f"http://127.0.0.1:{server.server_port}/", hashlib.sha256(content)
            local[name] = archive._replace(
                url=url + name, size=len(content), sha256=sha256.hexdigest()
            )
        monkeypatch.setitem(CATALOGUE, "mnist", CATALOGUE["mnist"]._replace(archives=local))
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("mirror")
def test_a_download_is_prepared_and_then_read_offline(tmp_path, archives, capfd):
    loaded = load_dataset("mnist", folder=tmp_path / "data", download=True)
    assert_same(loaded, load_dataset("mnist", folder=archives))
    assert (tmp_path / "data" / "mnist" / "3.0.1" / "dataset_info.json").is_file()
    shutil.rmtree(tmp_path / "data" / "downloads")
    shutil.rmtree(tmp_path / ".cache")
    assert_same(load_dataset("mnist", folder=tmp_path / "data", download=True), loaded)
    assert capfd.readouterr().out == ""


@pytest.mark.usefixtures("mirror")
def test_a_download_with_another_checksum_is_refused(tmp_path, archives):
    path = archives / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(InputError, match=r"could not prepare mnist .*wrong checksum"):
        load_dataset("mnist", folder=tmp_path / "data", download=True)
    assert not list((tmp_path / "data").glob("mnist/3*"))
