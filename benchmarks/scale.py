"""A whole table on 1 to 512 devices, on paper: how long, how many bytes, what limits.

    python -m benchmarks.scale

Eleven methods at nine sizes (three data sets at 1, 10 and 50 images per class) with three seeds,
and the experts of every data set. ``scale.json`` has the times of single units: measured on one
H100 (GPU.md), or assumed, and says which. Workers take experts first, then cells, longest first;
nothing is computed.
"""

import dataclasses
import heapq
import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro

from benchmarks.tables import Table, bytes_text
from mttjax.system.fields import COUNT, Checked

IPCS = ("1", "10", "50")
LEARNING = ("dd", "ld", "dc", "dsa", "dm", "cafe", "mtt")
SELECTING = ("random", "herding", "k_center", "forgetting")
UNITS = Path(__file__).with_name("scale.json")
OF_EXPERTS = ("mtt", "herding", "k_center")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """How large a table, on what."""

    devices: tuple[int, ...] = (1, 8, 64, 512)
    """Numbers of devices, a worker each."""
    data_sets: Annotated[int, COUNT] = 3
    """Each at 1, 10 and 50 images per class, all as large as CIFAR-10."""
    seeds: Annotated[int, COUNT] = 3
    """Sets of every method and size."""
    experts: Annotated[int, COUNT] = 100
    """Of each data set."""
    trajectories: Annotated[int, COUNT] = 1
    """P: pairs of a step of MTT, one after another on a worker's device."""
    units: Path = UNITS
    """The times of single units."""


class Unit(NamedTuple):
    """An expert or a cell."""

    seconds: float
    bytes: float
    """Read from the shared folder and written to it."""
    store: int
    """The data set whose experts it is one of, or reads; -1: none."""
    is_expert: bool


class Made(NamedTuple):
    """The whole table on so many devices."""

    seconds: float
    busy: float
    """The share of the devices' time in which they compute."""
    bytes: float
    experts_done: float


def main() -> None:
    """Prints the table."""
    options = tyro.cli(Options, prog="python -m benchmarks.scale", description=__doc__)
    known = json.loads(options.units.read_text())
    print(report(options, known).markdown())


def all_units(options: Options, known: dict[str, Any]) -> list[Unit]:
    """Experts, then cells, each longest first."""
    measured, counted = known["measured"], known["counted"]
    snapshot, epochs = counted["bytes of a snapshot"], counted["epochs of an expert"]
    each = epochs * measured["epoch of an expert and its test, s"]
    experts = [
        Unit(each, (epochs + 1) * snapshot, data, is_expert=True)
        for data in range(options.data_sets)
        for _ in range(options.experts)
    ]
    cells = [
        _cell(method, ipc, data if method in OF_EXPERTS else -1, options, known)
        for method in (*LEARNING, *SELECTING)
        for ipc in IPCS
        for data in range(options.data_sets)
        for _ in range(options.seeds)
    ]
    return experts + sorted(cells, key=lambda cell: -cell.seconds)


def _cell(method, ipc, store, options, known):
    measured, assumed, counted = (known[name] for name in ("measured", "assumed", "counted"))
    of = lambda name: (measured[name] | assumed[name])[ipc]
    network = of("1001 epochs of a network on a set, s")
    seconds = counted["networks of the final evaluation"] * network
    moved = 0.0
    if method in LEARNING:
        on_the_way = counted["evaluations on the way, of two networks of 300 epochs"]
        seconds += measured["compiling a step, s"] + on_the_way * 2 * 0.3 * network
        steps = counted["outer steps"] * of("step of mtt, s")
        other = assumed["a cell of another method that learns, of one of mtt"]
        seconds += steps * (options.trajectories if method == "mtt" else other)
    if method == "mtt":  # a hundred experts do not fit what a process keeps: read when drawn
        moved = 2 * counted["outer steps"] * options.trajectories * counted["bytes of a snapshot"]
    return Unit(seconds, moved, store, is_expert=False)


def simulated(units: list[Unit], devices: int, known: dict[str, Any]) -> Made:
    """Every device takes the next unit that can begin; what reads experts waits for all of them."""
    begin = known["assumed"]["reading and whitening the images, s"]
    free, waiting = [(begin, number) for number in range(devices)], list(units)
    ready, busy, end = {-1: 0.0}, 0.0, 0.0
    while waiting:
        now, number = heapq.heappop(free)
        can = (
            i for i, u in enumerate(waiting) if u.is_expert or ready.get(u.store, now + 1) <= now
        )
        index = next(can, None)
        if index is None:  # all experts are taken, and some are still trained
            later = min(ready[u.store] for u in waiting)
            heapq.heappush(free, (later, number))
            continue
        unit = waiting.pop(index)
        done = now + unit.seconds
        busy, end = busy + unit.seconds, max(end, done)
        if unit.is_expert:  # they are all taken before a cell is looked at
            ready[unit.store] = max(ready.get(unit.store, 0.0), done)
        heapq.heappush(free, (done, number))
    images = known["assumed"]["compressed images, bytes"] * devices
    experts_done = max(time for store, time in ready.items() if store >= 0)
    return Made(end, busy / (devices * end), images + sum(u.bytes for u in units), experts_done)


def report(options: Options, known: dict[str, Any]) -> Table:
    """A row for each number of devices."""
    units, rows = all_units(options, known), []
    alone = simulated(units, 1, known).seconds
    for devices in options.devices:
        made = simulated(units, devices, known)
        rate, server = made.bytes / made.seconds, known["assumed"]["a file server, bytes/s"]
        row = [devices, _hours(made.seconds), f"{alone / made.seconds:.1f}", f"{made.busy:.0%}"]
        row += [bytes_text(made.bytes), f"{bytes_text(rate)}/s ({rate / server:.0%})"]
        rows.append([*row, _limit(units, devices, made, rate > server)])
    cells = sum(not unit.is_expert for unit in units)
    title = f"{cells} cells and {len(units) - cells} experts"
    header = ["devices", "time", "times as fast", "busy", "bytes moved", "a second (of the server)"]
    return Table(title, [*header, "what limits"], rows, [_assumed(known)])


def _limit(units, devices, made, server_full):
    longest = max(unit.seconds for unit in units)
    if server_full:
        return "the file server"
    if devices >= sum(not unit.is_expert for unit in units):
        return f"the longest cell, {_hours(longest)}"
    if made.busy < 0.85:
        return f"the last cells, the longest {_hours(longest)}"
    return "devices"


def _hours(seconds):
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


def _assumed(known):
    told = "; ".join(f"{name} {value}" for name, value in known["assumed"].items())
    return f"Assumed, not measured: {told}."


if __name__ == "__main__":
    main()
