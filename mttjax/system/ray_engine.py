"""Workers that Ray places: on this machine, or on the cards of a cluster."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mttjax.system.errors import InputError
from mttjax.system.signals import TIME_IS_UP, Asked, stop_requested
from mttjax.system.travelling import Files, Post, changed, unpack
from mttjax.system.workers import MOST_DEATHS, SOME_FAILED, gravest

__all__ = ["Travelling", "run_on_ray"]

PAUSE = 1.0  # seconds between looks at them
SENDING = 30.0
"""Seconds after which what was made is sent, for one that comes after this worker died."""
EARLIER = 30.0
"""Seconds before the end of the time that workers are stopped: they began at times of their own."""


class Died(Exception):
    """A worker was killed or crashed; Ray starts it again."""


Received = Callable[[Path, bytes, bytes | None], bool]
"""``received(path, content, sent)``: whether it takes care of what came back; what was sent is None
where there was no such file."""


def nothing_special(path: Path, content: bytes, sent: bytes | None) -> bool:
    """What came back is only to be written."""
    return False


class Travelling(NamedTuple):
    """What goes by Ray's objects, where workers see no common folder."""

    paths: tuple[str, ...]
    """Folders and files below this one, which workers read and write."""
    received: Received = nothing_special
    """Called with what came back, before it is written."""


def run_on_ray(
    command: Sequence[str],
    count: int,
    address: str | None = None,
    log: Callable[[str], object] = print,
    travelling: Travelling | None = None,
) -> int:
    """Runs ``COMMAND --worker K`` for K from 0 to ``count`` - 1 as tasks of Ray.

    Each has a card to itself where the cluster has any, else its share of all cores. All nodes have
    the same installation. What they print comes here.

    Args:
      command: a program and its arguments.
      count: how many; what finds no place waits for one.
      address: of a cluster, ``auto`` for the one of this machine; None: one is begun here.
      log: called with a line about the cluster.
      travelling: what is sent along and comes back; each worker is then told ``--shares COUNT``
        too, as none sees what another is at. None: all nodes see this folder by this path.

    Returns:
      As ``run_workers``.

    Raises:
      InputError: Ray is not installed, or no cluster answers.
    """
    ray: Any = _ray()
    try:
        environment = {"env_vars": {"PYTHONPATH": _search_path()}}
        ray.init(address, runtime_env=environment, logging_level="ERROR", log_to_driver=True)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"ray_address is {address!r}: no cluster of Ray answers ({error})"
        ) from error
    try:
        begin, collect = _placed(ray, count, log), lambda: None
        stop = _here(ray, _Stop)
        rest: tuple[Any, ...] = ()
        if travelling:
            command = [*command, "--shares", str(count)]
            sent = changed(Path.cwd(), travelling.paths, {})
            post = _here(ray, Post)
            rest = (post, ray.put(sent), travelling.paths)
            collect = partial(_collect, ray, post, travelling.received, sent)
        with stop_requested() as stopped:
            tasks = [
                begin([*command, "--worker", str(k)], os.getcwd(), stop, k, *rest)
                for k in range(count)
            ]
            return _status_of(ray, tasks, stop, stopped, log, collect)
    finally:
        ray.shutdown()


def _placed(ray, count, log):
    """What begins a task, on a card or on its share of the cores."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cards, cores = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("GPU", "CPU"))
    log(f"Ray: {len(nodes)} nodes, {cards} cards, {cores} cores")
    # Of no node more than it has: a task that fits nowhere waits for ever.
    share = min(cores // count, *(int(node.get("CPU", 0)) for node in nodes))
    needs = {"num_gpus": 1} if cards else {"num_cpus": max(1, share)}
    return ray.remote(max_retries=MOST_DEATHS, retry_exceptions=[Died], **needs)(_run).remote


def _here(ray, kind):
    """An actor on this node: it lives as long as the command."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # type: ignore[import-not-found]

    node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=node)(kind).remote()


def _collect(ray, post, received, sent):
    """Writes here what came since the last time; what speaks of other files after them."""
    for files in ray.get(post.take.remote()):
        for path, content in reversed(files.items()):
            if not received(Path(path), content, sent.get(path)):
                unpack(Path.cwd(), {path: content})


def _ray() -> Any:
    try:
        import ray  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise InputError(
            "engine is 'ray': install it with: pip install 'mttjax[cluster]'"
        ) from error
    return ray


def _search_path() -> str:
    """For the nodes to find this checkout or installation too."""
    root = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))


def _status_of(
    ray: Any,
    tasks: list[Any],
    stop: Any,
    stopped: Asked,
    log: Callable[[str], object],
    collect: Callable[[], None],
) -> int:
    """The gravest status of all when they have ended; a signal ends them."""
    waiting, number = tasks, None
    while waiting:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=PAUSE)
        collect()
        if number is None and (number := stopped(EARLIER)):
            # The end of the time is no signal that a process expects.
            sent = signal.SIGTERM if number == TIME_IS_UP else number
            ray.get(stop.set.remote(int(sent)))
    statuses = []
    for task in tasks:
        try:
            statuses.append(ray.get(task))
        except ray.exceptions.RayError as error:  # it died too often
            log(f"a worker is given up: {str(error).strip().splitlines()[-1]}")
            statuses.append(SOME_FAILED)
    return 128 + number if number else gravest(statuses)


class _Stop:
    """An actor that the tasks ask whether a signal came."""

    number = 0

    def set(self, number: int) -> None:
        self.number = number

    def get(self) -> int:
        return self.number


def _run(
    command: list[str],
    folder: str,
    stop: Any,
    number: int,
    post: Any = None,
    needs: Files | None = None,
    paths: tuple[str, ...] = (),
) -> int:
    """In a task: the command's status, in the folder, or in one of its own to which ``needs`` and
    what was made before are brought; what it makes goes to ``post``."""
    if needs is None:
        return _watched(command, folder, stop, lambda: None)
    ray = _ray()
    with tempfile.TemporaryDirectory(prefix="mttjax-") as own:
        root, seen = Path(own), dict[str, object]()
        unpack(root, needs | ray.get(post.of.remote(number)))
        changed(root, paths, seen)

        def send() -> None:
            if files := changed(root, paths, seen):
                ray.get(post.put.remote(number, files))

        try:
            return _watched(command, own, stop, send)
        finally:
            send()


def _watched(command: list[str], folder: str, stop: Any, send: Callable[[], None]) -> int:
    """The command's status; it is sent the signal that came, and may save."""
    ray, sent, last = _ray(), 0, time.monotonic()
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:
        telling = threading.Thread(target=_print, args=(process.stdout,))
        telling.start()
        while process.poll() is None:
            number = ray.get(stop.get.remote())
            if number and not sent:
                process.send_signal(sent := number)
            if time.monotonic() - last > SENDING:
                send()
                last = time.monotonic()
            time.sleep(PAUSE)
        telling.join()
    if process.returncode < 0 or process.returncode == 1:
        raise Died(f"status {process.returncode}")
    return process.returncode


def _print(lines: Any) -> None:
    for line in lines:
        print(line.rstrip(), flush=True)
