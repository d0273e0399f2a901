"""The shape of the package: twelve rooms, imports that only go down the stairs, public names."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import mttjax
from mttjax.system.seeds import STREAMS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mttjax"

STAIRS = {
    "system": (),
    "core": ("system",),
    "datasets": ("system",),
    "reporting": ("system",),
    "config": ("datasets", "core"),
    "distilled": ("core",),
    "experts": ("config",),
    "evaluation": ("config", "distilled", "reporting"),
    "distilling": ("config",),
    "runs": ("experts", "distilling", "evaluation"),
    "paper": ("runs",),
    "cli": ("paper",),
}
"""The rooms, each above all that it imports: those here and what is reached from them."""

NEVER = {
    "core": ("config", "datasets", "reporting"),
    "system": ("core",),
    "reporting": ("core",),
    "distilling": ("evaluation", "experts", "distilled"),
    "experts": ("distilling",),
    "evaluation": ("distilling", "experts"),
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


NAMES = [name for name, _ in modules()]
IN_ROOMS = [(name, path) for name, path in modules() if name != "mttjax"]


def imported(path):
    """The mttjax modules that a file names in its imports, lazy ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mttjax."):
            yield node.module
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("mttjax."))


def below(room):
    """All rooms that are reached from one by going down."""
    return set(STAIRS[room]).union(*map(below, STAIRS[room]))


# --- rooms ---------------------------------------------------------------------------------------


def test_the_folders_are_the_rooms():
    assert {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()} == set(STAIRS)
    above = list(STAIRS)
    assert all(above.index(to) < above.index(room) for room in STAIRS for to in STAIRS[room])


@pytest.mark.parametrize(("name", "path"), IN_ROOMS, ids=[name for name, _ in IN_ROOMS])
def test_a_module_imports_only_what_is_down_the_stairs(name, path):
    room = name.split(".")[1]
    others = {other.split(".")[1] for other in imported(path)}
    assert others <= {room} | below(room)


@pytest.mark.parametrize("room", NEVER)
def test_no_stairs_lead_where_a_room_must_never_go(room):
    assert not below(room) & set(NEVER[room])


def test_no_module_is_longer_than_300_lines():
    assert not {name: n for name, p in modules() if (n := len(p.read_text().splitlines())) > 300}


def test_the_library_changes_no_global_setting_of_jax():
    changed = r"\bjax\.config\.(update\b|\w+ =)"
    assert not [name for name, path in modules() if re.search(changed, path.read_text())]


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, mttjax; print({'jax', 'flax', 'numpy', 'matplotlib'} & set(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert out.stdout.strip() == "set()"


# --- public names --------------------------------------------------------------------------------


def test_every_public_name_is_there():
    for name in mttjax.__all__:
        assert getattr(mttjax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'mtt_loss'"):
        _ = mttjax.mtt_loss


@pytest.mark.parametrize("name", NAMES)
def test_a_module_says_what_it_is_and_what_it_gives(name):
    module = importlib.import_module(name)
    assert module.__doc__
    is_only_a_docstring = len(ast.parse(Path(module.__file__).read_text()).body) == 1
    if not is_only_a_docstring:
        assert len(set(module.__all__)) == len(module.__all__)
        assert all(hasattr(module, public) for public in module.__all__)


def functions(thing):
    """A public function, or the public methods and properties that a class has of its own."""
    if not inspect.isclass(thing):
        return [thing] if inspect.isfunction(thing) else []
    unwrapped = lambda member: next(
        (f for name in ("fget", "func", "__func__") if (f := getattr(member, name, None))), member
    )
    called = ("__init__", "__call__", "__iter__")
    public = [v for name, v in vars(thing).items() if not name.startswith("_") or name in called]
    own = [f for f in map(unwrapped, public) if inspect.isfunction(f)]
    return [f for f in own if f.__module__ == thing.__module__]


def without_annotations(function):
    """Those of the arguments, and ``return``, that have no annotation."""
    signature, empty = inspect.signature(function), inspect.Parameter.empty
    annotations = {name: a.annotation for name, a in signature.parameters.items()}
    annotations["return"] = signature.return_annotation
    names = [name for name, a in annotations.items() if a is empty and name not in ("self", "cls")]
    return [f"{function.__qualname__}: {name}" for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_function_is_annotated(name):
    module = importlib.import_module(name)
    public = [getattr(module, n) for n in getattr(module, "__all__", ())]
    found = [f for thing in public for f in functions(inspect.unwrap(thing))]
    assert not [name for function in found for name in without_annotations(function)]


# --- what the documents say ----------------------------------------------------------------------


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md"])
def test_documents_have_the_rooms_in_their_order(document):
    rows = re.findall(r"^\| `(\w+)/` \|", (ROOT / document).read_text(), flags=re.MULTILINE)
    assert rows == list(STAIRS)


def test_the_floor_plan_has_the_rooms_and_their_stairs():
    plan = list(ElementTree.parse(ROOT / "docs/floor_plan.svg").iter())
    rooms = next(part for part in plan if part.get("class") == "name ink")
    assert {text.text for text in rooms} == set(STAIRS)
    drawn = {(s.get("data-from"), s.get("data-to")) for s in plan if s.get("data-from")}
    assert drawn == {(room, to) for room in STAIRS for to in STAIRS[room]}


def test_the_architecture_has_every_stream_of_random_numbers():
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.split("## Where bits are decided")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*?) ?\|", section, flags=re.MULTILINE)
    places = {name: re.match(r"(?:\[(.*?)\])?", about)[1] or "" for name, about in STREAMS.items()}
    assert rows == list(places.items())
