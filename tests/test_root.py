"""What git keeps: what belongs there, and nothing of the machine that it was made on."""

import subprocess
from pathlib import Path

import pytest

import mttjax

ROOT = Path(__file__).resolve().parents[1]

BELONGS = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "bin",
    "configs",
    "docs",
    "examples",
    "mkdocs.yml",
    "mttjax",
    "pyproject.toml",
    "results",
    "setup.cfg",
    "tests",
}
BINARIES = (
    *(("results/", (".npz", ".pt", ".png")), ("docs/", (".png",))),
    ("tests/torch_files/", (".pt",)),
)
MOST_BYTES = 1_300_000  # a set of a hundred images of CIFAR-10 has 1.23 million


@pytest.fixture(scope="module")
def files():
    """The paths, relative to the root, of what git keeps or is about to."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def test_the_root_holds_what_belongs_there(files):
    assert {path.split("/")[0] for path in files} == BELONGS


def test_no_file_is_large(files):
    assert not [path for path in files if (ROOT / path).stat().st_size > MOST_BYTES]


def test_binaries_are_pictures_sets_of_results_and_files_of_pytorch(files):
    expected = lambda path: any(path.startswith(p) and path.endswith(e) for p, e in BINARIES)
    others = [path for path in files if not expected(path)]
    assert not [path for path in others if b"\0" in (ROOT / path).read_bytes()]


def test_no_file_speaks_of_the_machine_it_was_made_on(files):
    machine = [b"/" + name + b"/" for name in (b"work", b"root")]
    assert not [path for path in files if any(m in (ROOT / path).read_bytes() for m in machine)]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "name", ["some-1.0-py3-none-any.whl", "runs/a/last.npz", "site/x", ".venv/x"]
)
def test_what_comes_about_is_ignored(name):
    done = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_the_versions_are_one():
    version = mttjax.__version__
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text().split("\n## ")
    assert changes[1].split()[0] == version
