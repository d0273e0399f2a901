"""Bad input: thousands of cases, each of which must work or raise the documented error.

python -m benchmarks.torture.inputs full
"""

import collections
import contextlib
import dataclasses
import json
import signal
import sys
import threading
import time

from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.tables import Table
from benchmarks.torture import inputs_commands, inputs_datasets, inputs_files, inputs_library

__all__ = ["SIZES", "run", "table"]

SIZES = {"small": 0.025, "full": 1.0}
"""The share of each target's cases that is tried; a target of which it is below 3 is left out."""

MOST_SECONDS = 30
"""A case that takes longer hangs."""

NO_CHECKS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


class Hangs(BaseException):
    """Not an ``Exception``: what is tried must not catch it."""


@dataclasses.dataclass
class Tally:
    """What became of the cases of one target."""

    worked: int = 0
    refused: int = 0
    faults: list = dataclasses.field(default_factory=list)

    def record(self):
        """For JSON."""
        tried = self.worked + self.refused + len(self.faults)
        faults = len(self.faults)
        return {"tried": tried, "worked": self.worked, "refused": self.refused, "faults": faults}


def run(size, say=print):
    """Tries the cases, always the same ones.

    Args:
      size: a name in ``SIZES``.
      say: called with a line per target.

    Returns:
      Ready for JSON: tried, worked and refused; the same ``by_target``; and ``faults``, the
      cases that did neither, with their input and what came instead.
    """
    tallies = collections.defaultdict(Tally)
    for module in (inputs_library, inputs_files, inputs_datasets, inputs_commands):
        with module.targets() as targets:
            for target in targets:
                begin, count = time.perf_counter(), round(target.cases * SIZES[size])
                if count < 3:
                    continue
                _try(target, count, tallies[target.name])
                seconds = time.perf_counter() - begin
                say(f"{target.name}: {tallies[target.name].record()} in {seconds:.0f} s")
    each = {name: tally.record() for name, tally in tallies.items()}
    total = {what: sum(r[what] for r in each.values()) for what in ("tried", "worked", "refused")}
    faults = [{"target": name} | fault for name, t in tallies.items() for fault in t.faults]
    return total | {"by_target": each, "faults": faults}


def _try(target, count, tally):
    @settings(max_examples=count, derandomize=True, phases=[Phase.generate], **NO_CHECKS)
    @given(target.strategy)
    def one(case):
        begin, outcome = time.perf_counter(), None
        try:
            with _alarm():
                worked = target.attempt(case)
            tally.worked += bool(worked)
            tally.refused += not worked
        except target.documented:
            tally.refused += 1
        except Hangs:
            outcome = f"hangs for {time.perf_counter() - begin:.0f} s"
        except BaseException as error:  # whatever is not documented is what is looked for
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = f"{type(error).__name__}: {error}"[:600] + _place(error)
        if outcome:
            tally.faults.append({"input": _shown(case), "outcome": outcome})

    one()


def _shown(case):
    try:
        return repr(case)[:600]
    except ValueError:  # an integer of thousands of digits
        return f"a {type(case).__name__} with an integer that is too long to be shown"


def _place(error):
    """The innermost line of the package on the way to an error."""
    at, found = error.__traceback__, ""
    while at:
        name = at.tb_frame.f_code.co_filename
        if "/mttjax/" in name:
            found = f" [{name.split('/mttjax/')[-1]}:{at.tb_lineno}]"
        at = at.tb_next
    return found


@contextlib.contextmanager
def _alarm():
    """Ends what takes too long; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number, frame):
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    result = run(sys.argv[1] if len(sys.argv) > 1 else "small")
    print(json.dumps(result, indent=1))
    raise SystemExit(bool(result["faults"]))


def table(record):
    """A row per target."""
    rows = [
        [name, *(each[what] for what in ("tried", "worked", "refused", "faults"))]
        for name, each in record["by_target"].items()
    ]
    note = (
        "Cases drawn by hypothesis. Refused: by the documented error, or by a message and status "
        "2, with nothing left behind; a case of more than "
        f"{MOST_SECONDS} s, another exception or a file left is a fault."
    )
    return Table("Inputs", ["", "tried", "worked", "refused", "faults"], rows, [note])
