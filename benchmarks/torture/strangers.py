"""Files from strangers: each hostile one is tried, and must be refused or do no harm.

``python -m benchmarks.torture.strangers`` tries all; ``small`` those that take no time.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.torture import hostile
from benchmarks.torture import stranger_calls as calls
from mttjax.system.errors import InputError
from mttjax.system.memory import peak_memory

__all__ = ["CASES", "run"]

MOST_MIB = 300
"""What a case may add to the memory of the process at its highest."""


class Case(NamedTuple):
    """One file and the call that meets it."""

    name: str
    action: Callable
    """``action(folder)`` builds the file in ``folder`` and reads it."""
    refused: bool = True
    """Whether an ``InputError`` is the only good outcome."""
    small: bool = True
    most_mib: int = MOST_MIB


def run(size, say=print):
    """Tries the cases.

    Args:
      size: ``full``, or ``small`` for those that are quick.
      say: called with a line per case.

    Returns:
      ``tried``, ``refused``, ``harmless``, ``faults`` (names with what happened) and ``cases``.
    """
    rows = []
    for case in CASES:
        if case.small or size == "full":
            rows.append(_try(case))
            say(
                "{outcome:9} {name} ({seconds:.1f} s, {mebibytes} MiB): {message}".format(
                    **rows[-1]
                )
            )
    counts = {kind: sum(row["outcome"] == kind for row in rows) for kind in ("refused", "harmless")}
    faults = [f"{row['name']}: {row['message']}" for row in rows if row["outcome"] == "fault"]
    return {"tried": len(rows), **counts, "faults": faults, "cases": rows}


def _try(case):
    with tempfile.TemporaryDirectory() as outer:
        inside = Path(outer) / "a" / "b" / "c"
        inside.mkdir(parents=True)
        with peak_memory() as before:
            pass
        begun = time.perf_counter()
        with peak_memory() as peak:
            outcome, message = _outcome(case, inside)
        grown = ((peak.bytes or 0) - (before.bytes or 0)) // 2**20
        seen = [path for path in Path(outer).rglob("*") if inside not in (path, *path.parents)]
        outside = [path.name for path in seen if path not in inside.parents]
        if any(inside.rglob(calls.MARKER)) or calls.MARKER in outside:
            outcome, message = "fault", "a command was run"
        elif outside:
            outcome, message = "fault", f"wrote {outside[0]} outside its folder"
        elif grown > case.most_mib:
            outcome, message = "fault", f"took {grown} MiB"
    seconds = round(time.perf_counter() - begun, 2)
    about = {"message": message.replace(outer, "...")[:200], "seconds": seconds}
    return {"name": case.name, "outcome": outcome, **about, "mebibytes": max(0, grown)}


def _outcome(case, folder):
    try:
        case.action(folder)
    except InputError as error:
        return "refused", str(error)
    # Whatever else comes out is the fault that is looked for.
    except Exception as error:
        return "fault", f"{type(error).__name__}: {error}"
    return ("fault", "got through") if case.refused else ("harmless", "")


CASES = (
    *(
        Case(
            f"pickled command, protocol {protocol}",
            calls.pickled(lambda m, p=protocol: hostile.pickled_command(m, p)),
        )
        for protocol in (0, 2, 4, 5)
    ),
    Case("pickle: a key that nests deeply", calls.pickled(lambda _: hostile.deep_key())),
    Case("pickle: lists of lists of lists", calls.pickled(lambda _: hostile.laughs())),
    Case("pickle: one text encoded often", calls.pickled(lambda _: hostile.encoded_often())),
    Case("pickle: opcodes without end", calls.pickled(lambda _: b"N" * 10**7 + b"."), small=False),
    Case("npz: pickled objects as a dataset", calls.arrays(calls.objects)),
    Case("npz: pickled objects as a set", calls.distilled_set(calls.objects)),
    Case("npz: a pickle as a dataset", calls.arrays(calls.plain_pickle)),
    Case("npz: a pickle as a set", calls.distilled_set(calls.plain_pickle)),
    Case("tar: paths, links and devices", calls.cifar(calls.escaping)),
    Case("tar: 60 MiB of zeros beside the batches", calls.cifar(lambda _: [("x", 60)])),
    Case("tar: 1.2 GiB of zeros", calls.cifar(lambda _: [("x", 1200)]), small=False),
    Case("tar: a long name of 1.2 GiB", calls.cifar(calls.long_header(b"L", 1200)), small=False),
    Case("tar: a pax header of 1.2 GiB", calls.cifar(calls.long_header(b"x", 1200)), small=False),
    Case("idx: a claim of 2**96 bytes", calls.mnist((2**32 - 1,) * 3, 0)),
    Case("idx: 60 MiB behind ten images", calls.mnist((10, 28, 28), 60)),
    Case("idx: 1.2 GiB behind ten images", calls.mnist((10, 28, 28), 1200), small=False),
    Case(
        "mat: an array of 3 TB claimed",
        calls.svhn(
            lambda: hostile.mat_matrix(b"X", (32, 32, 3, 10**9), 1),
            lambda: hostile.mat_matrix(b"y", (10**9, 1), 1),
        ),
    ),
    Case("mat: a name of 64 MiB", calls.svhn(lambda: hostile.mat_matrix(bytes(2**26), (1, 1), 1))),
    Case(
        "mat: 1.2 GiB of another variable",
        calls.svhn(lambda: hostile.mat_matrix(b"z", (2**20, 1200), 1200)),
        small=False,
    ),
    Case(
        "npz: 3.9 GiB claimed, as a set",
        calls.distilled_set(lambda p: hostile.claiming_npz(p, "images", 2**32 - 2**26)),
        small=False,
        most_mib=4200,
    ),  # within what ``load_distilled`` says that it takes
    Case(
        "npz: 100 GiB claimed, as a set",
        calls.distilled_set(lambda p: hostile.zip64_claim(p, "images", 100 * 2**30)),
    ),
    Case(
        "npz: 100 GiB claimed, as a dataset",
        calls.arrays(lambda p: hostile.zip64_claim(p, "x_train", 100 * 2**30)),
    ),
    Case("npz: 10**15 items claimed, as a set", calls.distilled_set(calls.claimed_items)),
    Case("npz: 10**15 items claimed, as a dataset", calls.arrays(calls.claimed_items)),
    Case(
        "npz: 4.5 GiB of zeros, as a set",
        calls.distilled_set(lambda p: hostile.zeros_npz(p, "images", 4608)),
        small=False,
    ),
    *(
        Case(f"image: {kind} of 60,000 x 60,000", calls.image(kind))
        for kind in ("PNG", "GIF", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
    ),
    *(
        Case(f"set: {text!r} in a name", calls.forged(class_names=["a", f"b{text}"]))
        for text in ("\x1b[2J", "\0", "\n", "\x9b31m", "\udcff")
    ),
    Case("set: an escape in the dataset's name", calls.forged(dataset="\x1b]0;title\a")),
    *(Case(f"set: a rate of {r}", calls.forged(lr=r)) for r in (1e-60, 1e39, -1.0, float("nan"))),
    *(
        Case(f"set: settings {n} deep", calls.forged(settings=calls.nested(n)))
        for n in (60, 300, 900)
    ),
    *(
        Case(f"settings: data are {data!r}", calls.settings(data))
        for data in (
            [],
            "x",
            5,
            {"classes": 5},
            {"classes": {"0": 1}},
            {"classes": [[0], [1]]},
            {"classes": [True, False]},
            {"resolution": "abc"},
            {"resolution": [8]},
            {"validation": "x"},
            {"validation": None},
            {"validation": True},
            {"seed": -1},
            {"seed": "a"},
            {"seed": True},
            {"seed": 1.5},
            {"seed": []},
        )
    ),
    Case("page: a hostile text everywhere", calls.page, refused=False),
    Case("page: of a run with hostile names", calls.run_page, refused=False),
    Case("export: names that are paths", calls.exports, refused=False),
)


if __name__ == "__main__":
    found = run(sys.argv[1] if len(sys.argv) > 1 else "full")
    print({name: found[name] for name in ("tried", "refused", "harmless", "faults")})
    sys.exit(bool(found["faults"]))
