"""Workers that Ray places: on this machine, or on the cards of a cluster."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mttjax.system.errors import InputError
from mttjax.system.signals import TIME_IS_UP, Asked, stop_requested
from mttjax.system.workers import MOST_DEATHS, SOME_FAILED, gravest

__all__ = ["run_on_ray"]

PAUSE = 1.0  # seconds between looks at them
EARLIER = 30.0
"""Seconds before the end of the time that workers are stopped: they began at times of their own."""


class Died(Exception):
    """A worker was killed or crashed; Ray starts it again."""


def run_on_ray(
    command: Sequence[str],
    count: int,
    address: str | None = None,
    log: Callable[[str], object] = print,
) -> int:
    """Runs ``COMMAND --worker K`` for K from 0 to ``count`` - 1 as tasks of Ray.

    Each has a card to itself where the cluster has any, else its share of all cores. All nodes see
    this folder by this path, and have the same installation. What they print comes here.

    Args:
      command: a program and its arguments.
      count: how many; what finds no place waits for one.
      address: of a cluster, ``auto`` for the one of this machine; None: one is begun here.
      log: called with a line about the cluster.

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
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cards, cores = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("GPU", "CPU"))
        log(f"Ray: {len(nodes)} nodes, {cards} cards, {cores} cores")
        # Of no node more than it has: a task that fits nowhere waits for ever.
        share = min(cores // count, *(int(node.get("CPU", 0)) for node in nodes))
        needs = {"num_gpus": 1} if cards else {"num_cpus": max(1, share)}
        task = ray.remote(max_retries=MOST_DEATHS, retry_exceptions=[Died], **needs)(_run)
        stop = ray.remote(num_cpus=0)(_Stop).remote()
        begin = lambda k: task.remote([*command, "--worker", str(k)], os.getcwd(), stop)
        with stop_requested() as stopped:
            return _status_of(ray, [begin(k) for k in range(count)], stop, stopped, log)
    finally:
        ray.shutdown()


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
    ray: Any, tasks: list[Any], stop: Any, stopped: Asked, log: Callable[[str], object]
) -> int:
    """The gravest status of all when they have ended; a signal ends them."""
    waiting, number = tasks, None
    while waiting:
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=PAUSE)
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


def _run(command: list[str], folder: str, stop: Any) -> int:
    """In a task: the command's status; it is sent the signal that came, and may save."""
    ray, sent = _ray(), 0
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=folder, **pipes) as process:
        telling = threading.Thread(target=_print, args=(process.stdout,))
        telling.start()
        while process.poll() is None:
            number = ray.get(stop.get.remote())
            if number and not sent:
                process.send_signal(sent := number)
            time.sleep(PAUSE)
        telling.join()
    if process.returncode < 0 or process.returncode == 1:
        raise Died(f"status {process.returncode}")
    return process.returncode


def _print(lines: Any) -> None:
    for line in lines:
        print(line.rstrip(), flush=True)
