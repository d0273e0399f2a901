"""The part ``faults`` of ``make torture``: a small real run, and that it sees what is wrong."""

import itertools
import json

import numpy as np
import pytest

from benchmarks.torture import faults, faults_files
from benchmarks.torture.faults_common import Tally, Wrong, kept_programs, quiet, same
from benchmarks.torture.faults_disk import full_after, require_message
from benchmarks.torture.faults_repairs import flip, refused
from benchmarks.torture.faults_versions import jumping_clocks
from mttjax.system.errors import InputError
from mttjax.system.files import atomically, read_json, write_json
from mttjax.system.npz import read_arrays, write_arrays


def test_no_fault_of_a_file_or_the_disk_gives_wrong_numbers():
    record = faults.run("small", quiet)
    assert record["faults"] == []
    assert record["tried"] == sum(sum(c.values()) for c in record["by_family"].values()) / 2
    for family in ("files: snapshot", "files: manifest", "files: state", "repairs", "disk full"):
        assert record["by_family"][family]["tried"] >= 4
    json.dumps(record)
    assert "| repairs | 4 |" in faults.table(record).markdown()
    assert faults.outcome(record).endswith("harmless")


def test_what_is_wrong_and_what_is_raised_are_faults():
    lines = []
    tally = Tally(lines.append)

    def wrong():
        raise Wrong("other numbers")

    tally.attempt("a", "fine", lambda: "refused")
    tally.attempt("a", "wrong", wrong)
    tally.attempt("b", "raises", lambda: 1 / 0)
    tally.attempt("b", "no outcome", lambda: None)
    record = tally.record()
    assert record["tried"] == 4
    assert record["by_family"]["a"] == {"tried": 2, "refused": 1, "repaired": 0, "harmless": 0}
    assert [fault["case"] for fault in record["faults"]] == [
        "a: wrong",
        "b: raises",
        "b: no outcome",
    ]
    assert record["faults"][0]["outcome"] == "other numbers"
    assert "ZeroDivisionError" in lines[1]


def test_every_damage_is_another_file_and_the_same_one_each_time(tmp_path):
    path, other = tmp_path / "a.npz", tmp_path / "b.npz"
    for place, number in ((path, 1), (other, 2)):
        write_arrays(place, {"x": np.full(9, number)})
    whole, found = path.read_bytes(), []
    for _ in range(2):
        damaged = {}
        for what, damage in faults_files.damages(path, [other, path], "full").items():
            damage(path)
            damaged[what] = path.read_bytes() if path.exists() else None
            path.write_bytes(whole)
        found.append(damaged)
    assert found[0] == found[1]
    assert whole not in found[0].values()
    assert sum("flipped" in what for what in found[0]) > 50
    assert found[0][f"replaced by {tmp_path.name}/b.npz"] == other.read_bytes()


def test_what_differs_is_not_the_same():
    one = {"a": np.float32([1, 2]), "b": {"c": 1}}
    assert same(one, {"a": np.float32([1, 2]), "b": {"c": 1}})
    for other in (
        {"a": np.float32([1, 3]), "b": {"c": 1}},
        {"a": np.float64([1, 2]), "b": {"c": 1}},
        {"a": np.float32([1, 2]), "b": {"c": 1.0}},
        {"a": np.float32([1, 2])},
    ):
        assert not same(one, other)


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [("a.npz", write_arrays, read_arrays), ("a.json", write_json, read_json)],
)
def test_a_flipped_bit_is_one_that_is_seen(name, write, read, tmp_path):
    write(tmp_path / name, {"x": np.arange(9).tolist()})
    flip(tmp_path / name)
    with pytest.raises(InputError):
        read(tmp_path / name)


def test_only_the_sync_that_is_asked_for_fails(tmp_path):
    with full_after(3), atomically(tmp_path / "a") as file:
        file.write(b"a")
    with full_after(1), pytest.raises(OSError, match="No space"), atomically(tmp_path / "b") as f:
        f.write(b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_messages_are_held_to_what_they_must_say():
    require_message("distill", "2\n", "distill: the disk is full\n", "full")
    for status, said in ((0, "distill: full"), (2, "distill: no"), (2, "Traceback\nfull")):
        with pytest.raises(Wrong):
            require_message("distill", status, said, "full")

    def refusal():
        raise InputError("x.npz is damaged")

    refused(("x.npz", "damaged"), refusal)
    for words, function in ((("y.npz",), refusal), ((), lambda: None)):
        with pytest.raises(Wrong):
            refused(words, function)


def test_clocks_jump_and_are_right_again_afterwards():
    import time

    before = time.time()
    with jumping_clocks() as looks:
        times = [time.time() for _ in range(20)] + [time.time_ns() / 1e9, time.perf_counter()]
    assert len(looks) == len(times)
    assert max(times) - min(times) > 1e9
    assert any(b < a for a, b in itertools.pairwise(times))
    assert 0 <= time.time() - before < 60


def test_the_settings_of_jax_are_put_back(tmp_path):
    import jax

    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = [getattr(jax.config, name) for name in names]
    with kept_programs(tmp_path):
        assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    assert [getattr(jax.config, name) for name in names] == before
