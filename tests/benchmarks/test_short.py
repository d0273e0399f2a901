"""The few minutes on an accelerator: what is written, what is stopped, what is carried away."""

import json
import sys
import tarfile
from types import SimpleNamespace

import pytest

from benchmarks.short import __main__ as short
from benchmarks.short import commands, profile
from benchmarks.short.recording import Recorder, tables


def test_rows_are_written_as_they_come_and_what_fails_is_one_of_them(tmp_path):
    path = tmp_path / "results.jsonl"
    first, second = Recorder(path, "steps"), Recorder(path, "memory")
    first("IPC 1", seconds=0.01234)
    with first.attempt("IPC 50"):
        raise RuntimeError("out of memory\nat great length")
    second("64 px", networks=10)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found[1] == {"part": "steps", "row": "IPC 50", "failed": "RuntimeError: out of memory"}
    text = tables(path)
    assert "### steps\n\n| row | seconds | failed |" in text
    assert "| IPC 1 | 0.0123 |  |" in text
    assert "### memory\n\n| row | networks |" in text


def test_a_part_is_stopped_at_its_limit_and_the_next_one_is_run(tmp_path, monkeypatch):
    parts = {name: short.Part(f"{name}.run", 5) for name in ("endless", "ending")}
    programs = {"endless": "import time; time.sleep(60)", "ending": "pass"}
    monkeypatch.setattr(short, "PARTS", parts)
    run = short.run_limited

    def run_program(command, seconds, *rest):
        return run([sys.executable, "-c", programs[command[4]]], seconds / 10, *rest)

    monkeypatch.setattr(short, "run_limited", run_program)
    options = SimpleNamespace(to=tmp_path, work=tmp_path, tiny=False, device="cpu")
    for name in parts:
        short.run_part(name, options, deadline=float("inf"))
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [line["ended"] for line in lines] == ["stopped at its limit", "status 0"]


def test_a_part_without_time_is_left_out(tmp_path):
    options = SimpleNamespace(to=tmp_path, tiny=False)
    short.run_part("device", options, deadline=0)
    assert "no time was left" in (tmp_path / "results.jsonl").read_text()


def test_only_options_of_the_commands_are_passed_on(tmp_path):
    parsed = short.parse(["--experts.parallel", "5", "--to", str(tmp_path)])
    assert parsed.settings == ["--experts.parallel", "5"]
    with pytest.raises(SystemExit):
        short.parse(["--tinny"])


def test_the_device_is_idle_between_spans_that_may_overlap():
    assert profile.covered([(0, 10), (5, 8), (9, 12), (20, 21)]) == 13


def test_runs_and_manifests_are_carried_away_and_snapshots_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "LARGEST", 100)
    sizes = {"runs/ipc1/state.npz": 50, "runs/ipc1/last.npz": 90, "experts/x/manifest.json": 10}
    for name, size in (sizes | {"experts/x/0000/0001.npz": 5}).items():
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    left = commands.pack(tmp_path / "work", tmp_path / "runs.tar.gz")
    assert left == ["runs/ipc1/last.npz"]
    with tarfile.open(tmp_path / "runs.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["experts/x/manifest.json", "runs/ipc1/state.npz"]


@pytest.mark.slow
def test_all_parts_run_at_tiny_sizes(tmp_path):
    work = ["--to", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    assert short.main(["--tiny", *work]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").open()]
    assert [line for line in lines if "failed" in line] == []
    ended = {line["part"]: line["ended"] for line in lines if "ended" in line}
    assert ended.pop("pytorch") in {"status 0", "status 1"}  # where it is installed
    assert set(ended.values()) == {"status 0"}
    assert {line["part"] for line in lines} == {*short.PARTS, short.TESTS, short.COMMANDS}
