"""Whether a run's states, sets and results are whole and belong together."""

import numpy as np

from mttjax.distilled import load_distilled
from mttjax.errors import InputError
from mttjax.files import read_json
from mttjax.npz import read_arrays
from mttjax.reporting import read_metrics

__all__ = ["check_run", "check_set", "is_run"]

AGAIN = "With it removed, the command that made the run writes it again"
FALL_BACK = "The run goes on from the state before it when its command is typed again"
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
    with findings.of(folder / "config.json", "Without it the run cannot go on; its sets can"):
        read_json(folder / "config.json")
    for path in sorted(folder.glob("*.json")):
        if path.name != "config.json":
            with findings.of(path, "Remove it and run the command that made it again", True):
                read_json(path)
    if (folder / "metrics.jsonl").exists():
        with findings.of(folder / "metrics.jsonl"):
            read_metrics(folder / "metrics.jsonl")
    states = _states(folder, findings)
    sets = _sets(folder, findings)
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
            states[path.name] = arrays
    if not states and list(folder.glob("state.npz")):
        findings.fault(folder, "no state is whole: the run begins again from its first step")
    return states


def _sets(folder, findings):
    sets = {}
    for path in sorted(folder.glob("*.npz")):
        if path.stem in ("last", "best", "best_on_test"):
            with findings.of(path, AGAIN if path.stem == "last" else ""):
                sets[path.stem] = load_distilled(path)
    return sets


def _check_together(folder, states, sets, findings):
    """What a state and a set of the same step must share."""
    state = states.get("state.npz")
    if state is None:
        return
    if float(state["best"]) >= 0 and not (folder / "best.npz").exists():
        findings.fault(
            folder / "best.npz",
            f"the best images, of step {int(state['best_step'])}, are gone. Begin the run again "
            "with another --run.folder to have them back",
        )
    last, step = sets.get("last"), int(state["step"])
    if last is None and not (folder / "last.npz").exists():
        findings.fault(folder / "last.npz", "it is gone", AGAIN)
    if last is not None and last.settings.get("step") == step:
        images = state.get("outer/synthetic/images")
        if images is None or not np.array_equal(images, last.images):
            findings.fault(folder / "last.npz", f"its images are not those of step {step}", AGAIN)


def _check_pictures(folder, findings):
    from PIL import Image

    for path in sorted(folder.rglob("*.png")):
        with findings.of(path, "Remove it; it is drawn again", removable=True):
            try:
                with Image.open(path, formats=("PNG",)) as image:
                    image.verify()
            except Exception as error:  # the decoders let out many kinds
                raise InputError(f"not a whole PNG ({error})") from error
