"""The official archives, in small."""

import gzip
import hashlib
import pickle
import struct
import tarfile

import numpy as np
import pytest
from scipy.io import savemat
from small import idx, write_mnist, write_tar

from mttjax.datasets import formats
from mttjax.datasets.catalogue import CATALOGUE, CIFAR100_COARSE
from mttjax.datasets.loading import load_dataset
from mttjax.system.errors import InputError

RNG = np.random.default_rng(0)


def load(name, folder, **settings):
    return load_dataset(name, **{"folder": folder, "validation": 0, **settings})


def refused(message, name, folder, **settings):
    with pytest.raises(InputError, match=message):
        load(name, folder, **settings)


@pytest.mark.parametrize(
    ("place", "pack", "ending"), [(".", gzip.compress, ".gz"), ("fashion_mnist", bytes, "")]
)
def test_idx_archives(tmp_path, place, pack, ending):
    if place != ".":  # the sub-folder goes before the folder
        write_mnist(tmp_path)
    pixels, labels = write_mnist(tmp_path / place, pack, ending)
    loaded = load("fashion_mnist", tmp_path)
    assert loaded.class_names[:2] == ("T-shirt/top", "Trouser")
    np.testing.assert_array_equal(loaded.train.images, pixels[:40])
    np.testing.assert_array_equal(loaded.test.images, pixels[40:])
    np.testing.assert_array_equal(loaded.test.labels, labels[40:])


@pytest.mark.parametrize(
    ("name", "place", "given"),
    [
        ("mnist", "MNIST/raw", "."),
        ("mnist", "MNIST/raw", "MNIST"),
        ("mnist", "MNIST/raw", "MNIST/raw"),
        ("fashion_mnist", "FashionMNIST/raw", "."),
    ],
)
def test_idx_archives_where_torchvision_keeps_them(tmp_path, name, place, given):
    made = {
        "MNIST/raw": write_mnist(tmp_path / "MNIST/raw"),
        "FashionMNIST/raw": write_mnist(tmp_path / "FashionMNIST/raw", bytes, ""),
    }
    np.testing.assert_array_equal(load(name, tmp_path / given).test.images, made[place][0][40:])


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
GREY = np.zeros((40, 28, 28), np.uint8)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (IMAGES, None, "has archives of mnist, but train-images-idx3-ubyte.gz is missing"),
        (IMAGES, b"", "shorter than its header"),
        (IMAGES, gzip.compress(idx(GREY))[:40], r"cannot read .*train-images"),
        (IMAGES, gzip.compress(idx(GREY))[:-5] + b"12345", r"cannot read .*train-images.*CRC"),
        (IMAGES, gzip.compress(idx(GREY)[:-1]), r"31359 bytes for the shape \(40, 28, 28"),
        (IMAGES, b"<html>no such file</html>", "begins with 0x3c68746d, expected 0x803"),
        (IMAGES, struct.pack(">4I", 0x803, *[2**31] * 3), "0 bytes for the shape"),
        (IMAGES, idx(np.zeros((40, 27, 28), np.uint8)), r"\(27, 28, 1\), not \(28, 28, 1\)"),
        (LABELS, idx(np.arange(40, dtype=np.uint8)), "labels from 0 to 39, expected 0 to 9"),
    ],
)
def test_faults_of_idx_archives_are_named(tmp_path, name, content, message):
    write_mnist(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    refused(message, "mnist", tmp_path)


def cifar_batches(n_classes):
    """(images [K, 3072], labels [K]) of every training batch and of the test batch."""
    count = 6 if n_classes == 10 else 2
    labels = np.arange(n_classes, dtype=np.uint8)
    return [(RNG.integers(0, 256, (n_classes, 3072), np.uint8), labels) for _ in range(count)]


def binary_members(n_classes, batches):
    if n_classes == 10:
        names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
        names = [f"cifar-10-batches-bin/{name}.bin" for name in names]
    else:
        names = ["cifar-100-binary/train.bin", "cifar-100-binary/test.bin"]
    coarse = np.array(CIFAR100_COARSE, np.uint8)
    members = {}
    for name, (pixels, labels) in zip(names, batches, strict=True):
        columns = [labels[:, None], pixels]
        if n_classes == 100:
            columns.insert(0, coarse[labels][:, None])
        members[name] = np.concatenate(columns, 1).tobytes()
    return members


def pickled(pixels, labels, key=b"labels", kind=b"u1"):
    """As NumPy 1 under Python 2 wrote them: every text is a string of bytes, in a memo."""
    rows, columns = pixels.shape
    raw = pixels.tobytes()
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U%c%bq\x04]q\x05(%be"
        b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85"
        b"U\x01b\x87Rq\x09(K\x01M%bM%b\x86cnumpy\ndtype\nq\x0aU\x02%bK\x00K\x01\x87Rq\x0b(K\x03U\x01|"
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T%b%btb"
        b"U\x09filenamesq\x0c]q\x0d(U\x05a.pngq\x0eU\x05b.pngq\x0feu."
    ) % (
        *(len(key), key, b"".join(b"J" + struct.pack("<i", k) for k in labels)),
        *(struct.pack("<H", rows), struct.pack("<H", columns), kind),
        *(struct.pack("<i", len(raw)), raw),
    )


def python_members(n_classes, batches):
    key = b"labels" if n_classes == 10 else b"fine_labels"
    members = {}
    for name, batch in zip(binary_members(n_classes, batches), batches, strict=True):
        old = name.replace("-bin/", "-py/").replace("-binary/", "-python/").removesuffix(".bin")
        members[old] = pickled(*batch, key)
    return members


@pytest.mark.parametrize("n_classes", [10, 100])
@pytest.mark.parametrize("kind", ["binary", "python"])
@pytest.mark.parametrize("packed", [".tar.gz", ".tar", ""])
def test_cifar_archives_and_what_they_unpack_to(tmp_path, n_classes, kind, packed):
    batches = cifar_batches(n_classes)
    members = (binary_members if kind == "binary" else python_members)(n_classes, batches)
    if packed:
        path = tmp_path / f"cifar-{n_classes}-{kind}{packed}"
        write_tar(path, {"readme.html": b"", **members})
    if packed == ".tar":
        path.write_bytes(gzip.decompress(path.read_bytes()))
    for name, content in {} if packed else members.items():
        path = tmp_path / f"cifar{n_classes}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    there = sorted(tmp_path.iterdir())
    loaded = load(f"cifar{n_classes}", tmp_path)
    pixels = np.concatenate([batch[0] for batch in batches[:-1]])
    np.testing.assert_array_equal(
        loaded.train.images, pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    )
    np.testing.assert_array_equal(loaded.test.labels, batches[-1][1])
    assert loaded.test.images.shape == (n_classes, 32, 32, 3)
    assert sorted(tmp_path.iterdir()) == there


CIFAR10 = "cifar-10-binary.tar.gz"


@pytest.fixture(scope="module")
def members():
    return binary_members(10, cifar_batches(10))


def test_files_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch, members):
    monkeypatch.setattr(formats, "MOST_BYTES", 2**20)
    path = tmp_path / CIFAR10
    write_tar(path, members)
    load("cifar10", tmp_path)
    for bomb in ({"zeros": bytes(2**20)}, {"x" * 2**20: b""}, dict.fromkeys("abcd", bytes(2**18))):
        write_tar(path, {**members, **bomb})
        assert path.stat().st_size < 2**19
        refused("unpacks to more than 1048576 bytes", "cifar10", tmp_path)
    monkeypatch.setattr(formats, "MOST_BYTES", 40 * 28 * 28)
    write_mnist(tmp_path)
    refused("unpacks to more than 31360 bytes", "mnist", tmp_path)


@pytest.mark.parametrize(
    ("batch", "content", "message"),
    [
        ("test_batch", b"12345", "test_batch.bin has 5 bytes, not a multiple of 3073"),
        ("test_batch", b"\xff" * 3073, "labels from 255 to 255, expected 0 to 9"),
        ("data_batch_4", None, "lacks cifar-10-batches-bin/data_batch_4.bin"),
    ],
)
def test_a_wrong_batch_is_named(tmp_path, members, batch, content, message):
    changed = members | {f"cifar-10-batches-bin/{batch}.bin": content}
    write_tar(tmp_path / CIFAR10, {n: c for n, c in changed.items() if c is not None})
    refused(message, "cifar10", tmp_path)


def flipped(data):
    """A bit of the last block, which a tar does not need."""
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [(flipped, "CRC"), (lambda data: data[:50_000], ""), (lambda data: b"<html>", "")],
)
def test_a_damaged_archive_is_named(tmp_path, members, damage, fault):
    path = tmp_path / CIFAR10
    write_tar(path, members)
    path.write_bytes(damage(path.read_bytes()))
    refused(rf"cannot read .*cifar-10-binary.*{fault}", "cifar10", tmp_path)


def test_a_link_in_the_archive_is_not_followed(tmp_path, members):
    name, path = "cifar-10-batches-bin/test_batch.bin", tmp_path / CIFAR10
    write_tar(path, {n: c for n, c in members.items() if n != name})
    path.write_bytes(gzip.decompress(path.read_bytes()))
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.LNKTYPE, "cifar-10-batches-bin/data_batch_1.bin"
        archive.addfile(link)
    refused(r"lacks .*test_batch.bin", "cifar10", tmp_path)


# Ten lists of ten lists of ..., nine times.
LAUGHS = b"]q\x00(" + b"K\x00" * 10 + b"e"
for k in range(1, 9):
    LAUGHS += b"0]q%c(" % k + b"h%c" % (k - 1) * 10 + b"e"


class Boom:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def zeros(*shape):
    return np.zeros(shape, np.uint8)


FORGED = [
    {"data": Boom(), "labels": [0]},
    {"data": [1], "labels": [0]},
    {"data": np.float64, "labels": [0]},
    {"data": 1},
    {(1, 2): 3},
    [1, 2],
]


@pytest.mark.parametrize(
    "content",
    [
        *(pickle.dumps(batch, protocol=2) for batch in FORGED),
        pickled(zeros(1, 3072), [0], kind=b"i1"),
        pickled(zeros(2, 3072), [0]),
        pickled(zeros(1, 3072), [0]).replace(b"J\0\0\0\0", b"\x8a\x05\0\0\0\0\1"),
        pickled(zeros(3072, 1), [0]),
        b"cos\nsystem\n(S'true'\ntR.",
        *(b"(ta.", b"(.", b"]K\x01b.", b"K\x01)R.", b"}K\x01K\x02s.", b"P1\n.", b"\x82\x01."),
        *(b"h\x07.", b""),
        # A key that is hashed 300,000 levels deep, which ends the process of pickle.loads.
        b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.",
        b"(" + b")" + b"\x85" * 300_000 + b"Nd.",
        b"\x80\x04\x8f()" + b"\x85" * 300_000 + b"\x90.",
        # Bytes that are not there; a billion labels.
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
        b"\x80\x02}(U\x04dataNU\x06labels" + LAUGHS + b"u.",
        # State for what is no array.
        b"\x80\x02cnumpy\nndarray\n}U\x01aK\x01sb.",
    ],
)
def test_a_forged_pickle_is_refused_and_not_run(tmp_path, content):
    forged = python_members(10, cifar_batches(10)) | {"cifar-10-batches-py/test_batch": content}
    write_tar(tmp_path / "cifar-10-python.tar.gz", forged)
    refused(r"test_batch is not a CIFAR batch", "cifar10", tmp_path)


@pytest.fixture
def svhn(tmp_path, monkeypatch):
    """(images, folder): small files in the place of the official ones."""
    images = RNG.integers(0, 256, (32, 32, 3, 20), np.uint8)
    entry = CATALOGUE["svhn_cropped"]
    archives = dict(entry.archives)
    for name, archive in archives.items():
        labels = 1 + np.arange(20, dtype=np.uint8)[:, None] % 10
        savemat(tmp_path / name, {"X": images, "y": labels}, do_compression=True)
        sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        archives[name] = archive._replace(sha256=sha256)
    monkeypatch.setitem(CATALOGUE, "svhn_cropped", entry._replace(archives=archives))
    return images, tmp_path


def test_svhn_archives(svhn):
    images, folder = svhn
    loaded = load("svhn_cropped", folder)
    np.testing.assert_array_equal(loaded.train.images[3], images[..., 3])
    assert loaded.train.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_another_svhn_file_than_the_official_one_is_not_read(svhn):
    """SciPy's reader crashes the process on some."""
    path = svhn[1] / "test_32x32.mat"
    expected = CATALOGUE["svhn_cropped"].archives[path.name].sha256
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    refused(f"test_32x32.mat is not .* expected {expected}", "svhn_cropped", path.parent)


def test_what_is_nowhere_is_named_with_the_remedies(tmp_path):
    refused(r"cifar-10-binary.tar.gz or cifar-10-python.*allow the down", "cifar10", tmp_path)
    refused(r"tfds/mnist .*Give a folder with train", "mnist", None)
    missing = tmp_path / "nowhere"
    refused(r"nowhere does not exist; expected .*idx3-ubyte.gz", "mnist", missing)
    (tmp_path / "file").touch()
    refused("file is not a folder", "mnist", tmp_path / "file", download=True)
