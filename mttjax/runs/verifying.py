"""Whether a run's states, sets and results are whole and belong together."""

import numpy as np

from mttjax.distilled import load_distilled
from mttjax.runs.folder import differing_settings, settings_in
from mttjax.runs.workflows import EXTENDABLE
from mttjax.system.errors import InputError
from mttjax.system.files import read_json, require_file
from mttjax.system.metrics import read_metrics
from mttjax.system.npz import read_arrays

__all__ = ["check_run", "check_set", "is_run"]

AGAIN = "With it removed, the command that made the run writes it again"
FALL_BACK = "The run goes on from the state before it when its command is typed again"
NO_CONFIG = "The run takes its settings from last.npz when its command is typed again"
OF_ANOTHER = "it is of another run than config.json:"
MAY_CHANGE = (*EXTENDABLE, "distill.save_every")
LOST = {
    "state.npz": "The run goes on from the one before it",
    "good.npz": "There is none to fall back to until the next good one",
}
STATES = ("state.npz", "state.[0-9]*.npz", "good.npz")


def is_run(folder):
    """Whether a folder is, or was, that of a run."""
    return (folder / "config.json").exists() or (folder / "metrics.jsonl").exists()


def check_set(path, findings):
    """Reads a distilled set; returns a line that says what it is."""
    with findings.of(path):
        found = load_distilled(path)
        return f"set of {found.ipc} images per class of {found.dataset}"
    return "set"


def check_run(folder, findings):
    """Reads every file of a run.

    Args:
      folder: a ``Path``.
      findings: a ``Findings``, added to.

    Returns:
      A line that says what is there.
    """
    config = None
    with findings.of(folder / "config.json", NO_CONFIG):
        config = read_json(folder / "config.json")
    for path in sorted(folder.glob("*.json")):
        if path.name != "config.json":
            with findings.of(path, "Remove it and run the command that made it again", True):
                read_json(path)
    if (folder / "metrics.jsonl").exists():
        with findings.of(folder / "metrics.jsonl"):
            read_metrics(folder / "metrics.jsonl")
    states = _states(folder, findings)
    sets = _sets(folder, findings)
    _check_of_this_run(folder, config, states, sets, findings)
    _check_together(folder, states, sets, findings)
    _check_pictures(folder, findings)
    step = states.get("state.npz", {}).get("step")
    return f"run of {len(sets)} sets" + ("" if step is None else f", {int(step)} steps done")


def _states(folder, findings):
    """name -> the arrays of each whole state."""
    states = {}
    for path in [p for pattern in STATES for p in sorted(folder.glob(pattern))]:
        with findings.of(path, FALL_BACK, removable=True):
            arrays = read_arrays(path)
            if not {"step", "best", "best_step"} <= set(arrays):
                raise InputError("it is not the state of a run")
            numbers = (a for n, a in arrays.items() if n.startswith("outer/synthetic"))
            if not all(np.isfinite(a).all() for a in numbers):
                raise InputError("it holds images or rates that are not finite")
            settings_in(path, arrays)
            states[path.name] = arrays
    if not states and list(folder.glob("state.npz")):
        findings.fault(folder, "no state is whole: with them removed the run begins again")
    for name in ("state.npz", "good.npz") if states else ():
        if not (folder / name).exists():
            findings.note(f"{folder / name}: it is not there. {LOST[name]}")
    return states


def _sets(folder, findings):
    sets = {}
    for path in sorted(folder.glob("*.npz")):
        if path.stem in ("last", "best", "best_on_test"):
            with findings.of(path, AGAIN if path.stem == "last" else ""):
                sets[path.stem] = load_distilled(path)
    return sets


def _check_of_this_run(folder, config, states, sets, findings):
    """Whether states and sets were made with the settings that the run has."""
    if config is None:
        return
    paths = {folder / name: settings_in(name, arrays) for name, arrays in states.items()}
    for name, found in sets.items():
        paths[folder / f"{name}.npz"] = {n: v for n, v in found.settings.items() if n in config}
    differing = {
        path: listed
        for path, settings in paths.items()
        if settings and (listed := differing_settings(settings, config, MAY_CHANGE))
    }
    if len(differing) == len(paths) > 1:
        listed = next(iter(differing.values()))
        findings.fault(folder / "config.json", f"all states and sets are of another run: {listed}")
        return
    for path, listed in differing.items():
        findings.fault(path, f"{OF_ANOTHER} {listed}")


def _check_together(folder, states, sets, findings):
    """What a state and the sets of the same run must share."""
    state = states.get("state.npz")
    if state is None:
        return
    step, best_step = int(state["step"]), int(state["best_step"])
    if float(state["best"]) >= 0 and not (folder / "best.npz").exists():
        findings.fault(
            folder / "best.npz",
            f"the best images, of step {best_step}, are gone. Begin the run again "
            "with another --run.folder to have them back",
        )
    # A kill may come after a set of a later step was written and before its state was.
    best = sets["best"].settings.get("step", step) if "best" in sets else best_step
    # A run that fell back has forgotten a best step after that.
    if best != best_step and best <= step and not state.get("watch/fallbacks"):
        findings.fault(folder / "best.npz", f"it is of step {best}, the best was step {best_step}")
    last = sets.get("last")
    if last is None and not (folder / "last.npz").exists():
        findings.fault(folder / "last.npz", "it is gone", AGAIN)
    if last is not None and (found := last.settings.get("step", step)) < step:
        findings.fault(folder / "last.npz", f"it is of step {found}, the run is at {step}", AGAIN)
    if last is not None and last.settings.get("step") == step:
        images = state.get("outer/synthetic/images")
        if images is None or not np.array_equal(images, last.images):
            findings.fault(folder / "last.npz", f"its images are not those of step {step}", AGAIN)


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
