"""Workers that Ray places on a cluster of two nodes; needs the extra ``cluster``."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mttjax.system.errors import InputError
from mttjax.system.ray_engine import Travelling, run_on_ray
from mttjax.system.signals import TIME_IS_UP, time_limit

ROOT = Path(__file__).resolve().parents[2]
with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs: pip install '.[cluster]'"
)
CLUSTER = """
from ray.cluster_utils import Cluster
cluster = Cluster()
for _ in range(2):
    cluster.add_node(num_cpus=1)
print("address", cluster.address, flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def address():
    """Of a cluster in a process of its own: a driver that leaves takes what it has begun along."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], **pipes) as cluster:
        yield next(line.split()[1] for line in cluster.stdout if line.startswith("address"))
        cluster.communicate("\n")


def command(script):
    return [sys.executable, "-c", f"import os, sys, time\nnumber = int(sys.argv[2])\n{script}"]


@pytest.mark.slow
@with_ray
def test_each_has_a_place_and_the_gravest_status_is_that_of_all(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = []
    script = "open(str(number), 'w').write(str(os.getppid())); time.sleep(2); sys.exit(3 * number)"
    assert run_on_ray(command(script), 2, address, lines.append) == 3
    assert lines == ["Ray: 2 nodes, 0 cards, 2 cores"]
    assert len({(tmp_path / str(k)).read_text() for k in range(2)}) == 2


@pytest.mark.slow
@with_ray
def test_one_that_dies_is_started_again(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = "n = len(os.listdir()); open(str(n), 'w').close(); n < 2 and os.kill(os.getpid(), 9)"
    assert run_on_ray(command(script), 1, address, lambda line: None) == 0
    assert sorted(os.listdir()) == ["0", "1", "2"]


@pytest.mark.slow
@with_ray
def test_one_that_dies_again_and_again_is_given_up(address):
    lines = []
    assert run_on_ray(command("os.kill(os.getpid(), 9)"), 1, address, lines.append) == 3
    assert "given up" in lines[1]


@pytest.mark.slow
@with_ray
def test_a_signal_reaches_the_workers(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = (
        "import signal\ndef end(*_): open('saved', 'w').close(); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, end); open('begun', 'w').close(); time.sleep(100)"
    )

    def stop():
        while not (tmp_path / "begun").exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert run_on_ray(command(script), 1, address, lambda line: None) == 143
    assert (tmp_path / "saved").exists()


@pytest.mark.slow
@with_ray
def test_the_end_of_the_time_lets_the_workers_save(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = (
        "import signal\ndef end(*_): open('saved', 'w').close(); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, end); time.sleep(100)"
    )
    with time_limit(0.9):
        assert run_on_ray(command(script), 1, address, lambda line: None) == 128 + TIME_IS_UP
    assert (tmp_path / "saved").exists()


@pytest.mark.slow
@with_ray
def test_without_a_common_folder_files_travel_and_one_that_died_goes_on(
    address, tmp_path, monkeypatch
):
    """Every worker finds what was sent and what one before it made, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mttjax.system.ray_engine.SENDING", 0)
    (tmp_path / "given").mkdir()
    (tmp_path / "given/word").write_text("hello")
    (tmp_path / "not_given").touch()
    script = (
        "assert sorted(os.listdir())[0] == 'given' and not os.path.exists('not_given')\n"
        "before = os.path.exists(f'made/{number}')\n"
        "os.makedirs('made', exist_ok=True)\n"
        "text = open('given/word').read() + ' ' + ' '.join([os.getcwd(), *sys.argv[1:]])\n"
        "before or open(f'made/{number}', 'w').write(text)\n"
        "before or (time.sleep(4), os.kill(os.getpid(), 9))\n"
        "open(f'made/{number}-again', 'w').close()"
    )
    script = script.replace("number", "int(sys.argv[4])")
    travelling = Travelling(("given", "made"))
    assert run_on_ray(command(script), 2, address, lambda line: None, travelling) == 0
    assert sorted(os.listdir("made")) == ["0", "0-again", "1", "1-again"]
    told = [(tmp_path / f"made/{k}").read_text().split() for k in range(2)]
    assert [words[0] for words in told] == ["hello"] * 2
    assert len({words[1] for words in told} | {str(tmp_path)}) == 3
    assert [words[2:] for words in told] == [["--shares", "2", "--worker", str(k)] for k in (0, 1)]


@pytest.mark.slow
@with_ray
def test_experts_of_workers_without_a_common_folder_are_those_of_one(address, tmp_path):
    command = [sys.executable, str(ROOT / "bin" / "train_experts"), "--config", "digits"]
    command += ["--network.width", "8", "--experts.count", "3", "--experts.epochs", "2"]
    apart = ["--workers", "2", "--engine", "ray", "--ray-address", address]
    apart += ["--ray-objects", "experts"]
    stores = []
    for name, how in (("alone", []), ("apart", apart)):
        (tmp_path / name).mkdir()
        subprocess.run([*command, *how], cwd=tmp_path / name, check=True)
        files = (tmp_path / name).rglob("0*/*.npz")
        stores.append({p.relative_to(tmp_path / name): p.read_bytes() for p in files})
    assert len(stores[0]) == 3 * 3
    assert stores[0] == stores[1]
    check = [sys.executable, str(ROOT / "bin" / "check"), "experts"]
    subprocess.run(check, cwd=tmp_path / "apart", check=True)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_remedy_is_told():
    with pytest.raises(InputError, match=r"pip install 'mttjax\[cluster\]'"):
        run_on_ray(command(""), 1)
