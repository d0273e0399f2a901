"""Files of torch.save read without PyTorch; those of strangers are refused, with nothing run."""

import io
import pickle
import struct
import zipfile
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from mttjax.system.errors import InputError
from mttjax.system.torch_reading import Tensor, open_torch
from mttjax.system.torch_writing import LazyArray, write_torch

FILES = Path(__file__).resolve().parents[1] / "torch_files"


def read(path):
    """What a file holds, its tensors read."""
    with open_torch(path) as held:
        return taken(held)


def taken(held):
    if isinstance(held, Tensor):
        return held.read()
    if isinstance(held, dict):
        return {name: taken(item) for name, item in held.items()}
    return [taken(item) for item in held] if isinstance(held, list | tuple) else held


# --- what PyTorch wrote --------------------------------------------------------------------------


def test_tensors_of_every_kind_are_read():
    held = read(FILES / "kinds.pt")
    assert {str(a.dtype) for a in held.values()} == {
        *("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
    }
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8"):
        np.testing.assert_array_equal(held[name], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(held["bool"], [True, False])
    np.testing.assert_array_equal(held["transposed"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(held["part"], [4, 5, 6])
    np.testing.assert_array_equal(held["channels_last"].ravel(), np.arange(16))
    assert held["empty"].shape == (0, 3)
    assert held["scalar"].shape == ()
    assert held["scalar"] == 15


def test_parameters_and_nested_lists_are_read():
    assert read(FILES / "images_best.pt").shape == (6, 1, 8, 8)
    buffer = read(FILES / "replay_buffer_0.pt")
    assert [len(epochs) for epochs in buffer] == [3, 3]
    np.testing.assert_allclose(buffer[1][1][0] - buffer[1][0][0], 0.1, rtol=1e-5)


def test_numpy_scalars_are_passed_over():
    held = read(FILES / "res_DM_bright_ConvNet_2ipc.pt")
    assert held["data"][1][0].max() > 1
    assert len(held["accs_all_exps"]["ConvNet"]) == 2


def test_the_old_format_is_said():
    with pytest.raises(InputError, match=r"old_format.pt: .*old format: load and save it once"):
        read(FILES / "old_format.pt")


# --- what was written here -----------------------------------------------------------------------

TREE = {
    "list": [np.arange(6, dtype=np.float32).reshape(2, 3), [np.int64([1, 2])], 3, "text", 0.5],
    **{d: np.ones((2, 1), d) for d in ("float64", "float16", "int32", "int16", "int8", "uint8")},
    "bool": np.array([True, False]),
    "scalar": np.array(0.02, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "lazy": LazyArray((2,), np.dtype(np.float32), lambda: np.float32([7, 8])),
}


def test_what_is_written_is_read_back_and_is_the_same_every_time(tmp_path):
    for name in ("a.pt", "b.pt"):
        write_torch(tmp_path / name, TREE)
    held = read(tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
    assert list(held) == list(TREE)
    np.testing.assert_array_equal(held["list"][0], TREE["list"][0])
    np.testing.assert_array_equal(held["list"][1][0], [1, 2])
    assert held["list"][2:] == [3, "text", 0.5]
    np.testing.assert_array_equal(held["lazy"], [7, 8])
    for name in set(TREE) - {"list", "lazy"}:
        assert held[name].dtype == TREE[name].dtype
        np.testing.assert_array_equal(held[name], TREE[name])


def test_pytorch_reads_what_is_written_and_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    write_torch(tmp_path / "a.pt", TREE)
    for how in ({"weights_only": True}, {"weights_only": True, "mmap": True}):
        held = torch.load(tmp_path / "a.pt", **how)
        assert held["list"][2:] == [3, "text", 0.5]
        np.testing.assert_array_equal(held["lazy"], [7, 8])
        for name in set(TREE) - {"list", "lazy"}:
            np.testing.assert_array_equal(held[name].numpy(), TREE[name])
            assert held[name].numpy().dtype == TREE[name].dtype
    torch.save(held, tmp_path / "b.pt")
    again = read(tmp_path / "b.pt")
    for name in set(TREE) - {"list", "lazy"}:
        np.testing.assert_array_equal(again[name], TREE[name])


def test_storages_are_aligned_as_those_of_pytorch(tmp_path):
    write_torch(tmp_path / "a.pt", TREE)
    for path in (tmp_path / "a.pt", FILES / "kinds.pt"):
        content = path.read_bytes()
        for member in zipfile.ZipFile(path).infolist():
            if "/data/" in member.filename:
                lengths = struct.unpack_from("<2H", content, member.header_offset + 26)
                assert (member.header_offset + 30 + sum(lengths)) % 64 == 0


def test_a_file_is_read_a_storage_at_a_time(tmp_path):
    import tracemalloc

    arrays = [LazyArray((2**18,), np.dtype(np.float32), lambda: np.zeros(2**18, np.float32))] * 40
    tracemalloc.start()
    write_torch(tmp_path / "a.pt", arrays)
    with open_torch(tmp_path / "a.pt") as held:
        assert sum(float(tensor.read().sum()) for tensor in held) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20 < (tmp_path / "a.pt").stat().st_size


# --- files of strangers --------------------------------------------------------------------------

GOOD = FILES / "labels_best.pt"


def forged(path, change, source=GOOD, method=zipfile.ZIP_STORED, twice=()):
    """A copy of a file, each member put through ``change(name, content)``."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", method) as new:
        for member in old.infolist():
            content = change(member.filename.partition("/")[2], old.read(member))
            if content is not None:
                new.writestr(member.filename, content)
        for name in twice:
            new.writestr(name, b"")
    return path


def pickled(path, content):
    """A file whose structure is ``content``."""
    return forged(path, lambda name, old: content if name == "data.pkl" else old)


def tensor(offset=0, size=(6,), stride=(1,), numbers=6, key="0", storage="LongStorage"):
    """The pickle of a tensor that says so of itself."""
    parts = [b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage"]
    parts += [f"ctorch\n{storage}\n".encode(), pickle.dumps(key, 2)[2:-1], b"X\x03\0\0\0cpu"]
    parts += [pickle.dumps(numbers, 2)[2:-1], b"tQ"]
    parts += [pickle.dumps(x, 2)[2:-1] for x in (offset, size, stride)]
    return b"".join([*parts, b"\x89ccollections\nOrderedDict\n)RtR."])


HOSTILE = {
    "another global": b"\x80\x02cos\nsystem\nX\x0b\0\0\0touch pwned\x85R.",
    "a name of ours": b"\x80\x02cmttjax.system.files\nremove_leftovers\nX\x01\0\0\0.\x85R.",
    "an offset past the end": tensor(offset=1),
    "a large offset of nothing": tensor(offset=7, size=(0,)),
    "a negative offset": tensor(offset=-1, size=(1,)),
    "a negative stride": tensor(offset=5, stride=(-1,)),
    "a negative size": tensor(size=(-1,)),
    "a stride past the end": tensor(size=(2,), stride=(6,)),
    "more by a stride of 0": tensor(size=(10**9,), stride=(0,)),
    "sizes of text": tensor(size=("a",)),
    "sizes and strides of other lengths": tensor(size=(2, 3), stride=(1,)),
    "a hundred dimensions": tensor(size=(1,) * 100, stride=(1,) * 100),
    "more numbers than there are": tensor(numbers=7),
    "a storage that is outside": tensor(key="../version", numbers=0, size=(0,)),
    "a storage that is not there": tensor(key="1"),
    "a storage of wider numbers": tensor(storage="DoubleStorage", numbers=7),
    "a tensor of no storage": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\0K\0))\x89NtR.",
    "a state for a function": b"\x80\x02ctorch._utils\n_rebuild_parameter\n}X\1\0\0\0aK\1sb.",
    "a key that is no text": b"\x80\x02}K\x01K\x02s.",
    "an opcode of another protocol": pickle.dumps([b"bytes"], 4),
    "a set": b"\x80\x04\x8f.",
    "a length past the end": b"\x80\x02X\xff\xff\xff\x7fa.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_structure_is_refused_and_nothing_is_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".a.1.tmp").touch()
    path = pickled(tmp_path / "a.pt", HOSTILE[name])
    with pytest.raises(InputError, match=r"a\.pt: not a whole file of torch.save's tensors"):
        read(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.1.tmp", "a.pt"]


def test_the_name_that_is_asked_for_is_said(tmp_path):
    with pytest.raises(InputError, match=r"it asks for 'os.system', which is not data"):
        read(pickled(tmp_path / "a.pt", HOSTILE["another global"]))


def test_deep_nesting_takes_no_stack(tmp_path):
    depth = 10**5
    nested = b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."
    with open_torch(pickled(tmp_path / "a.pt", nested)) as held:
        assert isinstance(held, list)
    tuples = b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."
    with pytest.raises(InputError, match="a key that is no text"):
        read(pickled(tmp_path / "b.pt", tuples))


def same(_, content):
    return content


def test_zips_that_are_not_as_pytorch_writes_them_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.raises(InputError, match="compressed or encrypted"):
        read(forged(path, same, method=zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match=r"2 members data\.pkl"):
        read(forged(path, same, twice=["other/data.pkl"]))
    with pytest.raises(InputError, match=r"0 members data\.pkl"):
        read(forged(path, lambda name, old: None if name == "data.pkl" else old))
    with pytest.warns(UserWarning, match="Duplicate name"):
        forged(path, same, twice=["labels_best/version"])
    with pytest.raises(InputError, match="a member is there twice"):
        read(path)
    with pytest.raises(InputError, match="big-endian"):
        read(forged(path, lambda name, old: b"big" if name == "byteorder" else old))
    path.write_bytes(GOOD.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a whole file"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.pt")


def test_a_flipped_bit_of_the_numbers_is_seen(tmp_path):
    content = bytearray(GOOD.read_bytes())
    with zipfile.ZipFile(GOOD) as archive:
        begin = archive.getinfo("labels_best/data/0").header_offset
    lengths = struct.unpack_from("<2H", content, begin + 26)
    content[begin + 30 + sum(lengths) + 8] ^= 1
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(InputError, match="CRC"):
        read(tmp_path / "a.pt")


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8),
    st.sampled_from(["kinds.pt", "res_DM_bright_ConvNet_2ipc.pt"]),
    st.booleans(),
)
def test_changed_bytes_are_read_or_refused(tmp_path_factory, changes, name, in_structure):
    """Whatever the bytes, no other exception, and no more memory than the file has."""
    path = tmp_path_factory.mktemp("changed") / "a.pt"

    def changed(content):
        content = bytearray(content)
        for place, byte in changes:
            content[place % len(content)] = byte
        return bytes(content)

    if in_structure:  # past the zip's own checksums
        forged(path, lambda n, old: changed(old) if n == "data.pkl" else old, FILES / name)
    else:
        path.write_bytes(changed((FILES / name).read_bytes()))
    try:
        total = read(path)
    except InputError:
        return
    assert io.StringIO().write(repr(total)[:100]) <= 100
