"""Whether a run's states, sets and results are whole and belong together."""

from pathlib import Path

import numpy as np

from mttjax.distilled import load_distilled
from mttjax.runs.beside import beside
from mttjax.runs.folder import SETS, STATES, RunFolder, differing_settings, settings_in
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, require_file
from mttjax.system.findings import Findings
from mttjax.system.npz import read_arrays

__all__ = ["check_run", "check_set", "is_run"]

AGAIN = "With it removed, the command that made the run writes it again"
FALL_BACK = "The run goes on from the state before it when its command is typed again"
NO_CONFIG = "The run takes its settings from its last set when its command is typed again"


def is_run(folder: Path) -> bool:
    """Whether a folder is, or was, that of a run."""
    return (folder / "config.json").exists() or (folder / "metrics.jsonl").exists()


def check_set(path: Path, findings: Findings) -> str:
    """Reads a distilled set; returns a line that says what it is."""
    with findings.of(path):
        distilled = load_distilled(path)
        return f"set of {distilled.ipc} images per class of {distilled.dataset}"
    return "set"


def check_run(folder: Path, findings: Findings) -> str:
    """Reads every file of a run; returns a line that says what is there."""
    run, config = RunFolder(folder), {}
    with findings.of(folder / "config.json", NO_CONFIG):
        config = read_json(folder / "config.json")
    for path in sorted(folder.glob("*.json")):
        if path.name != "config.json":
            with findings.of(path, "Remove it and run the command that made it again", True):
                read_json(path)
    if run.metrics_log.path.exists():
        with findings.of(run.metrics_log.path):
            run.metrics()
    if run.beside_path.exists():
        with findings.of(run.beside_path, AGAIN, removable=True):
            beside(run)
    states, sets = _states(folder, findings), _sets(run, findings)
    _check_of_this_run(run, config, states, sets, findings)
    _check_together(run, states, sets, findings)
    _check_pictures(folder, findings)
    step = states.get(STATES[0], {}).get("step")
    return f"run of {len(sets)} sets" + ("" if step is None else f", {int(step)} steps done")


def _states(folder, findings):
    """name -> the arrays of each whole state."""
    states = {}
    for path in (folder / name for name in STATES if (folder / name).exists()):
        with findings.of(path, FALL_BACK, removable=True):
            arrays = read_arrays(path)
            if not {"step", "best", "best_step"} <= set(arrays):
                raise InputError("it is not the state of a run")
            numbers = (a for n, a in arrays.items() if n.startswith("outer/synthetic"))
            if not all(np.isfinite(a).all() for a in numbers):
                raise InputError("it holds images or rates that are not finite")
            settings_in(path, arrays)
            states[path.name] = arrays
    if not states and (folder / STATES[0]).exists():
        findings.fault(folder, "no state is whole: with them removed the run begins again")
    return states


def _sets(run, findings):
    """kind -> each whole set."""
    sets = {}
    for kind in SETS:
        if run.set_path(kind).exists():
            with findings.of(run.set_path(kind), AGAIN if kind == "last" else ""):
                sets[kind] = run.load(kind)
    return sets


def _check_of_this_run(run, config, states, sets, findings):
    """Whether states and sets were made with the settings that the run has."""
    if not config:
        return
    made = {run.path / n: settings_in(n, arrays) for n, arrays in states.items()}
    for kind, distilled in sets.items():
        settings = distilled.settings
        made[run.set_path(kind)] = {n: v for n, v in settings.items() if n in config}
    differing = {p: listed for p, s in made.items() if (listed := differing_settings(s, config))}
    if len(differing) == len(made) > 1:
        listed = next(iter(differing.values()))
        path = run.path / "config.json"
        findings.fault(path, f"all states and sets are of another run: {listed}")
        return
    for path, listed in differing.items():
        findings.fault(path, f"it is of another run than config.json: {listed}")


def _check_together(run, states, sets, findings):
    """What a state and the sets of the same run must share."""
    state = states.get(STATES[0])
    if state is None:
        return
    step, best_step = int(state["step"]), int(state["best_step"])
    best_path, last_path = run.set_path("best"), run.set_path("last")
    if float(state["best"]) >= 0 and not best_path.exists():
        lost = f"the best images, of step {best_step}, are gone"
        findings.fault(best_path, f"{lost}. Begin the run again elsewhere to have them back")
    # A kill may come after a set of a later step was written and before its state was.
    best = sets["best"].settings.get("step", step) if "best" in sets else best_step
    if best != best_step and best <= step:
        findings.fault(best_path, f"it is of step {best}, the best was step {best_step}")
    if not last_path.exists():
        findings.fault(last_path, "it is gone", AGAIN)
    if "last" not in sets:
        return
    of = sets["last"].settings.get("step", step)
    if of < step:
        findings.fault(last_path, f"it is of step {of}, the run is at {step}", AGAIN)
    images = state.get("outer/synthetic/images")
    if of == step and (images is None or not np.array_equal(images, sets["last"].images)):
        findings.fault(last_path, f"its images are not those of step {step}", AGAIN)


def _check_pictures(folder, findings):
    from PIL import Image

    for path in sorted(folder.rglob("*.png")):
        with findings.of(path, "Remove it; it is drawn again", removable=True):
            require_file(path)
            try:
                with Image.open(path, formats=("PNG",)) as image:
                    image.verify()
            except Exception as error:  # the decoders let out many kinds
                raise InputError(f"not a whole PNG ({error})") from error
