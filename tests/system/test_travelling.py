"""What is sent to workers without a common folder, and what comes back."""

import os
import re

import pytest

from mttjax.system.errors import InputError
from mttjax.system.travelling import Post, changed, require_within, unpack


@pytest.fixture
def root(tmp_path):
    files = {
        "a/one": b"1",
        "a/b/two": b"2",
        "c": b"3",
        "other": b"4",
        "a/.lock": b"",
        "a/x.tmp": b"",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_files_of_folders_are_packed_and_unpacked(root, tmp_path):
    files = changed(root, ("a", "c", "none"), {})
    assert files == {"a/one": b"1", "a/b/two": b"2", "c": b"3"}
    assert list(files) == ["a/one", "a/b/two", "c"]  # those of a folder before its folders
    unpack(tmp_path / "new", files)
    assert changed(tmp_path / "new", ("a", "c"), {}) == files


def test_what_a_link_leads_to_is_sent_too(root):
    (root / "data").mkdir()
    (root / "data/linked").symlink_to(root / "a")
    assert changed(root, ("data",), {}) == {"data/linked/one": b"1", "data/linked/b/two": b"2"}


def test_nothing_is_written_outside(tmp_path):
    with pytest.raises(InputError, match=r"'\.\./x'"):
        unpack(tmp_path / "in", {"a": b"1", "../x": b"2"})
    assert not list(tmp_path.iterdir())


def test_only_what_changed_is_sent(root):
    seen = {}
    assert len(changed(root, ("a",), seen)) == 2
    assert changed(root, ("a",), seen) == {}
    (root / "a/new").write_bytes(b"5")
    os.replace(root / "other", root / "a/one")  # as a file is written whole
    assert changed(root, ("a",), seen) == {"a/new": b"5", "a/one": b"4"}


def test_the_post_keeps_what_a_worker_made_for_the_next_and_tells_what_is_new():
    post = Post()
    post.put(0, {"a": b"1"})
    post.put(1, {"b": b"2"})
    assert post.take() == [{"a": b"1"}, {"b": b"2"}]
    post.put(0, {"a": b"3", "c": b"4"})
    assert post.take() == [{"a": b"3", "c": b"4"}]
    assert (post.of(0), post.of(7)) == ({"a": b"3", "c": b"4"}, {})


@pytest.mark.parametrize("path", ["", "/data", "../data", "a/../../b"])
def test_only_what_is_below_the_folder_travels(path):
    require_within(["a", "a/b.npz"])
    with pytest.raises(InputError, match=re.escape(f"ray_objects is {path!r}: give folders")):
        require_within([path])
