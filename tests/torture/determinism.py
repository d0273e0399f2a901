"""One seed, the same bytes: every command twice, on one core too, experts one and two at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.torture.places import Place, command_line, content, differing

__all__ = ["commands", "run"]

METHODS = (
    *("dd", "ld", "dc", "dsa", "dm", "cafe", "cafe_dsa"),
    *("random", "herding", "k_center", "forgetting"),
)
PROTOCOL = ("--protocol.networks", "3", "--protocol.epochs", "20")
WIDE = ("--network.depth", "3", "--network.width", "96", "--experts.folder", "experts/wide")
WIDE += ("--experts.count", "1", "--experts.epochs", "2")
RUN = "runs/torture-ipc1"
SET = f"{RUN}/last.npz"


def commands():
    """The arguments of all that is compared, in the order in which they need each other."""
    yield command_line("train_experts")
    for n in ("1", "2"):
        folder = ("--experts.folder", f"experts/at-once-{n}")
        yield command_line("train_experts", "--experts.parallel", n, *folder)
    yield command_line("train_experts", *WIDE)
    yield command_line("distill")
    wide = ("--distill.max-start", "1", "--distill.steps", "10", "--run.folder", "runs/wide")
    yield command_line("distill", *WIDE, *wide)
    yield command_line("distill", "--distill.trajectories", "2", "--run.folder", "runs/two")
    yield from (command_line("distill", "--method", method) for method in METHODS)
    yield command_line("evaluate", "run", RUN, *PROTOCOL)
    yield command_line("evaluate", "set", SET, *PROTOCOL)
    across = ("--networks", "convnet-w4", "--to", "across")
    yield command_line("evaluate", "networks", SET, *PROTOCOL, *across)
    robust = ("--full-accuracy", ".9", "--to", "robust")
    yield command_line("evaluate", "robustness", SET, *PROTOCOL, *robust)
    yield command_line("export", "--set", SET, "--to", "pngs")
    for layout in ("datm", "ddranking", "huggingface"):
        how = ("--layout", layout, "--to", f"converted/{layout}")
        yield command_line("convert", "export-set", SET, *how)
    yield command_line("convert", "export-experts", "experts/at-once-1", "--to", "converted")
    yield command_line("table", "--full-data.networks", "2", "--full-data.epochs", "2")
    steps = ("--student-steps", "2", "3", "--expert-epochs", "1", "--steps", "10")
    preset = ("--config", "torture.py")
    yield command_line("figure", "range", *preset, *steps, *PROTOCOL, "--folder", "range")
    starts = ("--held-out", "2", "--starts", "0", "1", "--steps", "20", "--allow-used")
    experts = ("--experts", "experts/at-once-2", "--to", "distance")
    yield command_line("figure", "distance", "--set", SET, *experts, *starts)
    yield command_line("figure", "grid", "--set", SET, "--to", "classes.png")
    yield command_line("figure", "cost", "--runs", RUN, "--to", "cost")


def run(folder, say=print):
    """Runs every command three times: the counts by name, and the faults."""
    ways = {"all cores": False, "all cores, again": False, "one core": True}
    places = [Place(Path(folder, way), Path(folder, "cache"), one) for way, one in ways.items()]
    lines = list(commands())
    for arguments in lines:
        say(" ".join(Path(a).name for a in arguments[1:4]))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Place.run, places, [arguments] * len(places)))
    first, *others = [content(place.folder) for place in places]
    one, two = (_below(first, f"experts/at-once-{n}/") for n in ("1", "2"))
    compared = dict(zip(list(ways)[1:], others, strict=True))
    different = {way: differing(found, first) for way, found in compared.items()}
    different["experts one at once, and two"] = differing(one, two)
    counts = {"commands": len(lines), "files of each way compared": len(first)}
    counts |= {f"{way}: different": len(names) for way, names in different.items()}
    return counts, [f"{way}: {name} differs" for way, names in different.items() for name in names]


def _below(digests, folder):
    return {n.removeprefix(folder): d for n, d in digests.items() if n.startswith(folder)}
