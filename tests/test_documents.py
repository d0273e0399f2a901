"""The pages of docs/ and the notebooks: their code runs, the reference is whole."""

import dataclasses
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import mttjax
from mttjax.config.methods import KINDS
from mttjax.config.presets import preset_names

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(ROOT.glob("examples/*.ipynb"))

RUN_ELSEWHERE = {
    "README.md": "test_readme.py",
    "CONTRIBUTING.md": "test_contributing.py",
    "docs/own_data.md": "test_own_pages.py",
    "docs/own_network.md": "test_own_pages.py",
    "docs/pytorch.md": "test_pytorch.py",
}
"""document -> the file of the tests that run its Python."""
RUN_HERE = {"docs/maths.md", "docs/quickstart.md"}


def blocks(document, language):
    text = (ROOT / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def documents():
    return [
        path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
    ]


@pytest.fixture
def site(monkeypatch):
    """The modules in docs/ that make pages."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module


def test_python_of_every_document_is_run():
    with_python = {document for document in documents() if blocks(document, "python")}
    assert with_python <= {*RUN_ELSEWHERE, *RUN_HERE}


def test_the_maths_is_what_the_library_computes():
    exec(compile("\n".join(blocks("docs/maths.md", "python")), "docs/maths.md", "exec"), {})


def test_extras_that_the_documents_name_are_there():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    named = {
        extra
        for document in documents()
        for extra in re.findall(r"pip install '\.\[(\w+)\]'", (ROOT / document).read_text())
    }
    assert {"cuda13", "tpu"} <= named <= set(config["options.extras_require"])


def test_the_reference_has_every_setting_and_preset(site):
    reference = site("reference")
    tables = reference.settings_tables()
    rows = [row.split(" | ") for row in re.findall(r"^\| (`.* \| .*) \|$", tables, re.MULTILINE)]
    options = {row[0].strip("`"): row[3] for row in rows if len(row) == 4 and row[0][:3] == "`--"}
    about = {name.split(".")[-1].strip("-").replace("-", "_"): t for name, t in options.items()}
    kinds = {*KINDS.values(), *reference.GROUPS.values()}
    named = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert named <= set(about)
    assert not [name for name in named if not about[name]]
    assert all(f"### {name}\n" in tables for name in preset_names())


def test_the_reference_has_every_public_name_in_its_room():
    found = {}
    for page in ROOT.glob("docs/api/*.md"):
        for name in re.findall(r"^::: mttjax\.(\w+)$", page.read_text(), flags=re.MULTILINE):
            found[name] = page.stem
    home = lambda name: getattr(mttjax, name).__module__.split(".")[1]
    assert found == {name: home(name) for name in mttjax.__all__ if name != "__version__"}


def test_a_notebook_is_a_page_with_its_outputs(site):
    assert NOTEBOOKS
    for notebook in NOTEBOOKS:
        page = site("notebooks").notebook_page(notebook)
        assert page.startswith("# ")
        assert "```text\n" in page
        assert "](data:image/png;base64," in page


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    book = nbformat.read(notebook, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    client = nbclient.NotebookClient(book, timeout=600, kernel_name="python3", resources=where)
    client.execute(env=environment)
    assert all(cell.outputs for cell in book.cells if "plt.show()" in cell.source)


@pytest.mark.slow
def test_the_quick_start_runs_as_it_stands(tmp_path):
    def run(script, *words):
        command, environment = [sys.executable, "-c", script, *words], {"PYTHONPATH": str(ROOT)}
        how = {"cwd": tmp_path, "env": os.environ | environment, "text": True}
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, **how).stdout

    for line in "".join(blocks("docs/quickstart.md", "sh")).splitlines():
        name, *words = shlex.split(line)
        assert name == "mttjax"
        run("import sys; from mttjax.cli.launch import main; sys.exit(main(sys.argv[1:]))", *words)
    (script,) = blocks("docs/quickstart.md", "python")
    assert float(re.search(r"(\d+\.\d) %", run(script))[1]) > 90


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_loads_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "<math" in (tmp_path / "maths.html").read_text()
    searched = json.loads((tmp_path / "search/search_index.json").read_text())
    assert len(searched["docs"]) > 100
