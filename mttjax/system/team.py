"""Processes that compute one thing together: who does what, and what all of them then know."""

import contextlib
import hashlib
import socket
import time
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mttjax.system.errors import InputError
from mttjax.system.signals import Asked

__all__ = ["ALONE", "Lost", "Team", "join", "leave"]

T = TypeVar("T")

HEARTBEATS = 60
"""Seconds without a sign of life after which a process counts as lost, and JAX ends the others."""
WAITING = 300
"""Seconds that a process waits for the others at the beginning, and at the end."""
LONGEST_FAULT = 2000  # bytes


class Lost(InputError):
    """Another process of the run has ended, or cannot be reached any more."""


class Team:
    """The processes of one run. Each calls the same methods in the same order.

    Args:
      number: of this process; 0 is the one that writes.
      count: how many there are.
    """

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number, self.count = number, count
        self._asked: Asked = lambda seconds=0.0: None
        self._ahead, self._agreed = 0.0, 0

    def own(self, total: int) -> list[int]:
        """Which of ``total`` things this process does; all do as many, some of them twice."""
        each = -(-total // self.count)
        return [(self.number + self.count * row) % total for row in range(each)]

    def completed(self, total: int, own: Sequence[T]) -> list[T]:
        """What all processes found, in order; the same bits everywhere.

        Args:
          total: how many there are.
          own: of this process, in the order of ``own(total)``: pytrees of arrays, all alike.
        """
        if self.count == 1:
            return list(own)
        of_all = self.gather(list(own))
        return [of_all[i % self.count][i // self.count] for i in range(total)]

    def gather(self, tree: Any) -> list[Any]:
        """The trees of all processes, by their numbers, as NumPy arrays.

        Args:
          tree: a pytree of arrays, of the same shapes and dtypes in every process.

        Raises:
          Lost: a process has ended.
        """
        if self.count == 1:
            return [tree]
        leaves, structure = jax.tree.flatten((np.int32(self._asked(self._ahead) or 0), tree))
        leaves = [np.asarray(leaf) for leaf in leaves]
        told = self._told(np.frombuffer(b"".join(x.tobytes() for x in leaves), np.uint8))
        ends = np.cumsum([x.nbytes for x in leaves])[:-1]

        def unpacked(row):
            parts = zip(np.split(row, ends), leaves, strict=True)
            whole = [part.view(x.dtype).reshape(x.shape) for part, x in parts]
            return jax.tree.unflatten(structure, whole)

        stops, trees = zip(*map(unpacked, told), strict=True)
        self._agreed = self._agreed or int(max(stops))
        return list(trees)

    def _told(self, row):
        """[count, bytes]: the rows of all, exchanged over one device of each process."""
        first = {device.process_index: device for device in reversed(jax.devices())}
        mesh = Mesh(np.array([first[number] for number in range(self.count)]), ("processes",))
        shape, spread = (self.count, row.size), NamedSharding(mesh, P("processes"))
        try:
            own = jax.device_put(row[None], first[self.number])
            rows = jax.make_array_from_single_device_arrays(shape, spread, [own])
            everywhere = jax.jit(_same, out_shardings=NamedSharding(mesh, P()))(rows)
            return np.asarray(everywhere.addressable_data(0))
        except (RuntimeError, ValueError) as error:
            if "RESOURCE_EXHAUSTED" in str(error):
                raise
            raise Lost(
                f"another of the {self.count} processes of this run has ended or cannot be reached "
                f"({str(error).splitlines()[0]:.200}). What is saved is whole: the same command, "
                "of every process, goes on from there"
            ) from error

    def of_the_first(self, tree: T | None, like: T) -> T | None:
        """What process 0 has, everywhere; None where it has nothing.

        Args:
          tree: of this process; that of others than the first is not looked at.
          like: the shapes and dtypes.
        """
        if self.count == 1:
            return tree
        empty = lambda x: np.zeros(x.shape, x.dtype)
        given = jax.tree.map(empty, like) if tree is None else tree
        there, found = self.gather((np.bool_(tree is not None), given))[0]
        return found if there else None

    def require_well(self, fault: str | None, alike: str) -> None:
        """Ends all processes where one cannot go on.

        Args:
          fault: what is wrong here, which the caller is about to raise; or None.
          alike: text that must be the same in all of them.

        Raises:
          InputError: something is wrong in another process, or their texts differ.
        """
        if self.count == 1:
            return
        told = (fault or "").encode()[:LONGEST_FAULT].ljust(LONGEST_FAULT, b"\0")
        digest = hashlib.sha256(alike.encode()).digest()
        faults, digests = zip(*self.gather(tuple(map(_bytes, (told, digest)))), strict=True)
        if fault:
            return
        for number, bad in enumerate(faults):
            if bad.any():
                text = bad.tobytes().rstrip(b"\0").decode(errors="replace")
                raise InputError(f"process {number} of this run cannot go on: {text}")
        for number, other in enumerate(digests):
            if not np.array_equal(other, digests[0]):
                raise InputError(
                    f"process {number} of this run has other settings, images or versions than "
                    "process 0; type the same command, but for the process's number, for each"
                )

    def together(self, asked: Asked) -> Asked:
        """``asked`` with one answer in all processes: what any of them heard of a signal, or of
        the end of its time, when they gathered last."""
        if self.count == 1:
            return asked
        self._asked = asked

        def agreed(seconds: float = 0.0) -> int | None:
            self._ahead = seconds
            return self._agreed or None

        return agreed


ALONE = Team()
"""A single process."""


def _same(x):
    return x


def _bytes(text):
    return np.frombuffer(text, np.uint8)


def join(address: str | None = None, count: int | None = None, number: int | None = None) -> Team:
    """Joins the processes of a run; nothing may have computed before.

    Args:
      address: HOST:PORT of process 0, where it listens; all None: as JAX finds them out, under
        SLURM, Open MPI and Kubernetes.
      count: how many processes there are.
      number: of this one, from 0.

    Raises:
      InputError: JAX finds nothing out, or the others do not answer.
    """
    how: Any = {"heartbeat_timeout_seconds": HEARTBEATS, "shutdown_timeout_seconds": WAITING}
    if address is not None:
        _require_reachable(address, listens=number == 0)
    try:
        jax.distributed.initialize(address, count, number, initialization_timeout=WAITING, **how)
    except ValueError as error:
        raise InputError(
            f"distributed is auto: JAX finds no processes that were started together ({error}). "
            "Start them by srun or mpirun, or give HOST:PORT,N,ID"
        ) from error
    except RuntimeError as error:
        raise InputError(
            f"the processes of this run do not meet ({str(error).splitlines()[0]:.200}). Start all "
            f"within {WAITING} s, with the same address, which all of them reach"
        ) from error
    team = Team(jax.process_index(), jax.process_count())
    team.gather(np.zeros(1))  # while all are here: on CPUs the first waits for half a minute only
    return team


def _require_reachable(address, listens):
    """That process 0 can listen there, or is listening within the time: JAX would abort."""
    host, port = address.rsplit(":", 1)
    if listens:
        try:
            socket.create_server(("", int(port))).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"{address}: cannot listen there ({error}); give another") from error
        return
    end = time.monotonic() + WAITING
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > end:
                raise InputError(
                    f"{address}: process 0 does not answer there within {WAITING} s ({error}). "
                    "Start all processes together, with its address as the others reach it"
                ) from error
            time.sleep(0.2)


def leave() -> None:
    """Ends the connection when all processes come here; without it JAX takes one for lost."""
    with contextlib.suppress(RuntimeError):
        jax.distributed.shutdown()
