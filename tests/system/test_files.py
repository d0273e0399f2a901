"""Trees on disk: exact, all or nothing, never wrong numbers out of a damaged file."""

import errno
import os
import pickle
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.system import files
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, write_json
from mttjax.system.npz import read_arrays, write_arrays
from mttjax.system.trees import load_tree, save_tree


class State(NamedTuple):
    count: np.ndarray
    trace: dict


def nested_tree():
    rng = np.random.default_rng(0)
    return {
        "params": {"conv0": {"kernel": rng.standard_normal((3, 3, 1, 2)), "bias": np.ones(2)}},
        "state": (State(np.int32(7), {"x": rng.random(3).astype(np.float16)}), [np.bool_(True)]),
        "images": rng.integers(0, 256, (2, 4, 4, 1)).astype(np.uint8),
        "empty": np.zeros((0, 3), np.float32),
        "none": None,
        "log_lr": jnp.float32(-4.6),
        "not finite": np.array([np.nan, np.inf, -0.0]),
    }


def small_arrays():
    return {"a/b": np.arange(3, dtype=np.float32), "c": np.arange(6.0).reshape(2, 3)}


def same(found, expected):
    return found.keys() == expected.keys() and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in ((found[name], expected[name]) for name in expected)
    )


# --- the way there and back -----------------------------------------------------------


def test_a_nested_tree_comes_back_bit_for_bit(tmp_path):
    tree = nested_tree()
    save_tree(tmp_path / "tree.npz", tree)
    found = load_tree(tmp_path / "tree.npz", tree)
    assert jax.tree.structure(found) == jax.tree.structure(tree)
    for a, b in zip(jax.tree.leaves(found), map(np.asarray, jax.tree.leaves(tree)), strict=True):
        assert isinstance(a, np.ndarray)
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def test_shapes_and_dtypes_are_enough_to_load(tmp_path):
    tree = {"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.zeros((), jnp.int32)}
    save_tree(tmp_path / "tree.npz", tree)
    found = load_tree(tmp_path / "tree.npz", jax.eval_shape(lambda: tree))
    np.testing.assert_array_equal(found["w"], tree["w"])


def test_a_single_array_and_an_empty_tree_are_trees(tmp_path):
    for tree in (np.arange(4), {}, (np.float64(0.1),)):
        save_tree(tmp_path / "tree.npz", tree)
        found = load_tree(tmp_path / "tree.npz", tree)
        assert jax.tree.structure(found) == jax.tree.structure(tree)
        np.testing.assert_equal(jax.tree.leaves(found), jax.tree.leaves(tree))


@pytest.mark.parametrize("name", ["file", "allow_pickle", "args", "a.npy", "größe", "a/b/c"])
def test_any_name_can_name_an_array(name, tmp_path):
    write_arrays(tmp_path / "a.npz", {name: np.arange(3), "other": np.ones(2)})
    assert same(read_arrays(tmp_path / "a.npz"), {name: np.arange(3), "other": np.ones(2)})


def test_memory_order_does_not_matter(tmp_path):
    turned = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    write_arrays(tmp_path / "a.npz", {"x": turned, "y": turned[::2, ::-1]})
    found = read_arrays(tmp_path / "a.npz")
    np.testing.assert_array_equal(found["x"], turned)
    np.testing.assert_array_equal(found["y"], turned[::2, ::-1])


def test_numpy_reads_what_is_written_and_the_other_way_round(tmp_path):
    write_arrays(tmp_path / "ours.npz", small_arrays())
    with np.load(tmp_path / "ours.npz") as file:
        assert same(dict(file), small_arrays())
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "theirs.npz", **small_arrays())
        assert same(read_arrays(tmp_path / "theirs.npz"), small_arrays())


def test_equal_trees_are_equal_bytes(tmp_path):
    save_tree(tmp_path / "one.npz", nested_tree())
    save_tree(tmp_path / "other.npz", nested_tree())
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


# --- all or nothing -------------------------------------------------------------------


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("device lost")


def test_a_failing_array_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, small_arrays())
    with pytest.raises(RuntimeError, match="device lost"):
        write_arrays(path, {"x": np.ones(1000), "y": Unreadable()})
    assert same(read_arrays(path), small_arrays())
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("before", [True, False])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(call, before, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    if before:
        write_json(path, {"old": 1})

    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        write_json(path, {"new": 2})
    assert os.listdir(tmp_path) == (["a.json"] if before else [])
    assert not before or read_json(path) == {"old": 1}


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": [1, None, "é"]})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"new": {1, 2}})
    assert read_json(tmp_path / "a.json") == {"old": [1, None, "é"]}
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_name_appears_only_after_the_bytes_are_synced(tmp_path, monkeypatch):
    path, seen = tmp_path / "a.npz", []
    fsync = os.fsync

    def watch(descriptor):
        seen.append((path.exists(), os.fstat(descriptor).st_size))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", watch)
    write_arrays(path, small_arrays())
    (existed, size), *_ = seen
    assert not existed
    assert size == path.stat().st_size


def test_folders_are_made_and_others_may_read_the_file(tmp_path):
    path = tmp_path / "new" / "folder" / "a.npz"
    write_arrays(path, small_arrays())
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


# --- damage -----------------------------------------------------------------------------


def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path):
    """Every byte of the file, one bit each; a few bytes of a zip mean nothing to a reader."""
    path, expected = tmp_path / "a.npz", small_arrays()
    write_arrays(path, expected)
    whole = path.read_bytes()
    payload = [whole.index(a.tobytes()) for a in expected.values()]
    detected = set()
    for position in range(len(whole)):
        for bit in (position % 8, (5 * position + 3) % 8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                assert same(read_arrays(path), expected), f"bit {bit} of byte {position}"
            except InputError:
                detected.add(position)
    assert len(whole) > 300
    for begin, a in zip(payload, expected.values(), strict=True):
        assert set(range(begin, begin + a.nbytes)) <= detected


def test_a_damaged_shape_is_not_believed(tmp_path):
    """Fewer elements than were written: the part that is read has no checksum of its own."""
    write_arrays(tmp_path / "a.npz", {"x": np.arange(3.0)})
    whole = (tmp_path / "a.npz").read_bytes()
    assert whole.count(b"(3,)") == 1
    (tmp_path / "a.npz").write_bytes(whole.replace(b"(3,)", b"(1,)"))
    with pytest.raises(InputError, match=r"not a whole \.npz"):
        read_arrays(tmp_path / "a.npz")


def test_a_truncated_file_is_an_error(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, small_arrays())
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a\.npz: not a whole \.npz of plain arrays"):
            read_arrays(path)


def test_zeros_after_a_power_cut_are_an_error(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, small_arrays())
    whole = path.read_bytes()
    for begin in range(0, len(whole) - 30, 7):
        path.write_bytes(whole[:begin] + bytes(len(whole) - begin))
        with pytest.raises(InputError):
            read_arrays(path)


def test_nothing_is_pickled_and_nothing_unpickled(tmp_path):
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(tmp_path / "a.npz", {"x": objects})
    assert os.listdir(tmp_path) == []
    np.savez(tmp_path / "objects.npz", x=objects)
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"x": 1}))
    for name in ("objects.npz", "pickle.npz"):
        with pytest.raises(InputError, match=rf"{name}: not a whole \.npz of plain arrays"):
            read_arrays(tmp_path / name)


@pytest.mark.parametrize("content", ["", "{", "[1, 2", "\x00"])
def test_damaged_json_is_an_error_that_names_the_file(content, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")


def test_bytes_that_are_no_text_are_not_json(tmp_path):
    (tmp_path / "a.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("read", [read_arrays, read_json, lambda path: load_tree(path, {})])
def test_a_missing_file_is_named(read, tmp_path):
    with pytest.raises(InputError, match=r"missing\.npz: no such file"):
        read(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            {"w": np.zeros((3, 2), np.float32), "b": np.zeros(3)},
            r"expected w as \(3, 2\) float32, found \(2, 3\) float32; was it made with other",
        ),
        (
            {"w": np.zeros((2, 3), np.float64), "b": np.zeros(3)},
            r"expected w as \(2, 3\) float64, found \(2, 3\) float32",
        ),
        (
            {"w": np.zeros((2, 3), np.float32), "b": np.zeros(3), "more": {"c": np.zeros(1)}},
            r"expected more/c as \(1,\) float64, found nothing",
        ),
        ({"w": np.zeros((2, 3), np.float32)}, r"holds \['b'\] too, which was not expected"),
    ],
)
def test_leaves_of_another_tree_are_named(like, message, tmp_path):
    save_tree(tmp_path / "a.npz", {"w": np.zeros((2, 3), np.float32), "b": np.zeros(3)})
    with pytest.raises(InputError, match=r"a\.npz: " + message):
        load_tree(tmp_path / "a.npz", like)


@pytest.mark.parametrize("read", [read_arrays, read_json])
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(read, tmp_path):
    path = tmp_path / "state"
    os.mkfifo(path)
    with pytest.raises(InputError, match="not a file but a pipe"):
        read(path)
