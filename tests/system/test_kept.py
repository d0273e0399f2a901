"""A result that is kept, and made again when something else decides it or it is damaged."""

import pytest

from mttjax.system.kept import kept


@pytest.fixture
def made():
    """Counts how often it makes."""

    def make():
        make.times += 1
        return {"score": make.times}

    make.times = 0
    return make


def test_it_is_made_once_for_what_decides_it(tmp_path, made):
    path = tmp_path / "a.json"
    first, again = (kept(path, {"seed": (0, 1)}, made) for _ in range(2))
    assert first == again
    assert first["result"] == {"score": 1}
    assert {"of", "date", "hardware", "versions"} < set(first)
    assert kept(path, {"seed": [0, 2]}, made)["result"] == {"score": 2}
    assert made.times == 2


def test_a_damaged_one_is_told_and_made_again(tmp_path, made):
    path, lines = tmp_path / "a.json", []
    kept(path, 1, made)
    path.write_text(path.read_text().replace('"score": 1', '"score": 9'))
    assert kept(path, 1, made, lines.append)["result"] == {"score": 2}
    assert "damaged" in lines[0]


def test_without_a_path_nothing_is_kept(made):
    assert [kept(None, 1, made)["result"]["score"] for _ in range(2)] == [1, 2]
