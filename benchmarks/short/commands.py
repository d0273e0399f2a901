"""The row that everybody knows: experts, distil, evaluate, by the commands and their own limits."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time

from benchmarks.client import ROOT

__all__ = ["run"]

GRACE = 25  # seconds that a command has to save
LARGEST = 15 * 2**20  # bytes of the archive, uncompressed


def commands(options, tiny):
    """(name, command line, seconds) of what is done one after another."""
    if tiny:
        config = ["--config", "digits"]
        less = ["--network.width", "8", "--network.depth", "2"]
        experts = ["--experts.count", "2", "--experts.epochs", "6"]
        distil = ["--distill.student-steps", "3", "--distill.max-start", "2"]
        evaluate, sizes = ["--protocol.networks", "2", "--protocol.epochs", "3"], ("1", "2")
    else:
        config = ["--config", options.config, "--data.dir", str(options.data.resolve())]
        config += options.settings
        experts, less = ["--experts.count", "10", "--experts.epochs", "22"], []
        distil, evaluate, sizes = [], [], ("1", "10")
    yield "experts", ["train_experts", *config, *less, *experts], 240
    run = ["--distill.validation.networks", "0", "--experts.count", experts[1]]
    for ipc in sizes:
        folder = ["--run.folder", f"runs/ipc{ipc}"]
        line = ["distill", *config, *less, "--ipc", ipc, *run, *distil, *folder]
        yield f"distil ipc {ipc}", line, 40 if tiny else 90
    data = config[2:4] if "--data.dir" in config else []
    for ipc in sizes:
        yield f"evaluate ipc {ipc}", ["evaluate", "run", f"runs/ipc{ipc}", *data, *evaluate], 120


def run(record, options, deadline):
    """All commands until the deadline, and an archive of what they left.

    Args:
      record: a ``Recorder``.
      options: those of the command line.
      deadline: in ``time.monotonic`` seconds.
    """
    work = options.work.resolve() / ("tiny" if options.tiny else "runs")
    work.mkdir(parents=True, exist_ok=True)
    for name, line, limit in commands(options, options.tiny):
        left = min(limit, deadline - time.monotonic() - GRACE)
        if left < 5:
            record(name, failed="no time was left")
            continue
        begin = time.monotonic()
        status = run_command(line, work, left, options.to / "commands.log")
        record(name, status=status, seconds=time.monotonic() - begin, command=" ".join(line))
        with record.attempt(f"{name}, found"):
            tell_of(record, name, work)
    record("archive", left_out=pack(work, options.to / "runs.tar.gz"))


def run_command(line, work, limit, log):
    """The exit status: 143 of a command that was stopped and has saved."""
    command = [sys.executable, str(ROOT / "bin" / line[0]), *line[1:]]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    variables["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    with log.open("a", encoding="utf-8") as output:
        output.write(f"\n$ {' '.join(command)}\n")
        output.flush()
        process = subprocess.Popen(command, cwd=work, env=variables, stdout=output, stderr=output)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def tell_of(record, name, work):
    """What a command found: the speed of steps, accuracies, the experts' epochs."""
    kind, size = name.split()[0], name.split()[-1]
    run = work / "runs" / f"ipc{size}"
    if kind == "experts":
        for path in work.rglob("manifest.json"):
            experts = json.loads(path.read_text())["experts"].values()
            epochs = [len(expert["epochs"]) - 1 for expert in experts]
            last = [expert["epochs"][-1].get("test_accuracy") for expert in experts]
            record("experts, found", epochs=min(epochs), test_accuracies=last)
    elif kind == "distil" and (run / "metrics.jsonl").exists():
        lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
        steps = [line for line in lines if "loss" in line]
        if steps:
            seconds = sorted(line["seconds"] for line in steps)[len(steps) // 2]
            found = {"seconds_a_step": seconds, "first_loss": steps[0]["loss"]}
            record(f"{name}, found", steps=len(steps), **found, last_loss=steps[-1]["loss"])
    elif kind == "evaluate" and (run / "results.json").exists():
        rows = json.loads((run / "results.json").read_text())["rows"]
        record(f"{name}, found", **{set_name: row["mean"] for set_name, row in rows.items()})


def pack(work, archive):
    """Runs and manifests, without the experts' snapshots; returns what is too large.

    A set that is whitened holds matrices of 75 MB: its images are in the run's state too.
    """
    left, size = [], 0
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(work.rglob("*"), key=lambda path: path.stat().st_size):
            name = path.relative_to(work)
            if not path.is_file() or ("experts" in name.parts and path.suffix == ".npz"):
                continue
            size += path.stat().st_size
            if size > LARGEST:
                left.append(str(name))
            else:
                tar.add(path, name)
    return left
