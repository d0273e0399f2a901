"""docs/own_network.md and docs/own_data.md: their programs run as they stand."""

import re
from pathlib import Path

from mttjax.core.networks import make_network, own_network

ROOT = Path(__file__).resolve().parents[1]


def programs(page):
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_networks_of_their_page_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    in_a_file, in_a_program = programs("own_network.md")
    Path("net.py").write_text(in_a_file)
    network = make_network(own_network("net.py:make"), (8, 8, 1), 10)
    assert network.shapes["Dense_0"]["kernel"].shape == (256, 10)
    names = {}
    exec(compile(in_a_program, "own_network.md", "exec"), names)
    start, target = next(iter(names["pairs"]))
    assert start["w"].shape == target["w"].shape == (64, 10)


def test_the_data_of_their_page_are_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (program,) = programs("own_data.md")
    names = {}
    exec(compile(program, "own_data.md", "exec"), names)
    assert names["settings"].network.depth == 2
    assert names["dataset"].class_names == ("maize", "wheat")
    assert "of 16x16x4; uint16, 12 bits of it used, scaled to 8" in capsys.readouterr().out
