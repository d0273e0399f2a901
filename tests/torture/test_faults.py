"""Files that are damaged, gone, or do not fit on the disk: refused by name or gone on from.

What is read is what was written, or an ``InputError`` that names the file: never another
exception, never a wrong number. The metrics have no checksum: a changed number is drawn, and
decides nothing.
"""

import contextlib
import errno
import importlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mttjax.cli import check
from mttjax.experts.store import ExpertStore
from mttjax.system.errors import InputError
from mttjax.system.files import read_json
from mttjax.system.metrics import read_metrics
from tests.torture.places import command_line, temporaries

OPTIONS = {
    "--config": "digits",
    "--network.depth": 1,
    "--network.width": 4,
    "--experts.count": 2,
    "--experts.batch": 128,
    "--distill.student-steps": 3,
    "--distill.max-start": 2,
    "--distill.evaluate-every": 6,
    "--distill.save-every": 4,
    "--distill.validation.networks": 1,
    "--distill.validation.epochs": 3,
}
SNAPSHOT = "0001/002.npz"


def command(name, place, steps=12, run="run"):
    """``train_experts`` or ``distill`` in this process, with the store and the run of ``place``."""
    folders = {"--experts.folder": place / "store", "--run.folder": place / run}
    options = OPTIONS | folders | {"--distill.steps": steps, "--ipc": 1}
    main = importlib.import_module(f"mttjax.cli.{name}").main
    return main([str(text) for pair in options.items() for text in pair])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store; ``run`` of 6 steps, saved at 4 and 6; ``whole``, the same of 12 in one go."""
    place = tmp_path_factory.mktemp("made")
    assert command("train_experts", place) == 0
    assert command("distill", place, steps=6) == 0
    assert command("distill", place, run="whole") == 0
    return place


@pytest.fixture
def place(made, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(made, tmp_path / "place")


def quiet(line):
    """For logs that nobody reads."""


def manifest(place):
    store = ExpertStore(place / "store", quiet)
    return {n: [store.record(n, e) for e in range(store.epochs_done(n))] for n in store.numbers()}


READERS = {
    "store/manifest.json": manifest,
    "run/config.json": lambda place: read_json(place / "run/config.json"),
    "run/metrics.jsonl": lambda place: read_metrics(place / "run/metrics.jsonl"),
}
"""Texts, which have no checksum of a zip -> what reads them, as the workflows do."""


def is_right(value, whole, name):
    if name == "store/manifest.json":  # the one before is taken, which lacks the last epoch
        return value in (whole, whole | {max(whole): whole[max(whole)][:-1]})
    if name == "run/metrics.jsonl":
        return len(value) <= len(whole) and all("step" in record for record in value)
    # Its checksum's own name may have a flipped bit.
    return {n: v for n, v in value.items() if n in whole} == whole


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_of_a_text_is_refused_by_name_or_changes_nothing(place, name):
    read, path = READERS[name], place / name
    data, whole = path.read_bytes(), read(place)
    for bit in np.random.default_rng(0).integers(8 * len(data), size=200):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        try:
            value, said = read(place), ""
        except InputError as error:
            value, said = None, str(error)
        assert path.name in said if said else is_right(value, whole, name)


def flip(path):
    """All bits of 64 bytes in the middle; a single one may lie where a zip says nothing."""
    data = path.read_bytes()
    at = len(data) // 2 - 32
    path.write_bytes(data[:at] + bytes(255 - b for b in data[at : at + 64]) + data[at + 64 :])


def cut(path):
    path.write_bytes(path.read_bytes()[:-37])


def same_sets(place):
    return (place / "run/last.npz").read_bytes() == (place / "whole/last.npz").read_bytes()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("state.npz", damage) for damage in (flip, cut, Path.unlink)),
        *(("config.json", damage) for damage in (flip, cut, Path.unlink)),
        ("state.before.npz", flip),
        ("last.npz", flip),
        ("last.npz", Path.unlink),
        ("metrics.jsonl", flip),
        ("metrics.jsonl", cut),
    ],
)
def test_a_run_that_is_damaged_half_way_ends_alike(place, name, damage):
    damage(place / "run" / name)
    assert command("distill", place) == 0
    assert same_sets(place)
    assert check.main([str(place / "run")]) == 0


@pytest.mark.parametrize("name", [SNAPSHOT, "0000/000.npz"])
def test_a_damaged_snapshot_is_named_removed_and_trained_again(place, made, capsys, name):
    flip(place / "store" / name)
    assert check.main([str(place / "store"), "--remove"]) == 1
    assert f"removed: {place / 'store' / name}" in capsys.readouterr().out
    assert command("train_experts", place) == 0
    for path in (made / "store").rglob("*.npz"):
        assert path.read_bytes() == (place / path.relative_to(made)).read_bytes()


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_manifest_is_made_again_from_the_one_before(place, made, damage):
    damage(place / "store/manifest.json")
    assert command("train_experts", place) == 0
    assert check.main([str(place / "store")]) == 0
    assert manifest(place).keys() == manifest(made).keys()


def test_a_run_on_damaged_experts_is_refused_by_name(place):
    for path in (place / "store").glob("*/00[0-2].npz"):
        flip(path)
    said = command("distill", place)
    assert str(place / "store") in said
    assert ".npz: not a whole .npz" in said


@contextlib.contextmanager
def full_at(number, monkeypatch):
    """The sync ``number`` within the block fails, and is the only one."""
    sync, syncs = os.fsync, []

    def failing(descriptor):
        syncs.append(descriptor)
        if len(syncs) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        yield


def test_a_run_goes_on_where_the_disk_was_full(place, monkeypatch):
    for number in (1, 4, 7):
        with full_at(number, monkeypatch):
            said = command("distill", place)
        assert str(place / "run") in said
        assert "No space left" in said
        assert "Free some space" in said
    assert command("distill", place) == 0
    assert same_sets(place)
    assert temporaries(place) == []


def test_output_that_cannot_be_written_is_a_message(place):
    with open("/dev/full", "w") as full:
        command_of = command_line("check", str(place))
        done = subprocess.run(command_of, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"check: No space left" in done.stderr
