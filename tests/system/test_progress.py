"""How far long work is, where nobody looks at a terminal."""

import sys

import pytest

from mttjax.system import console
from mttjax.system.progress import progress_bar


@pytest.fixture
def bar(capsys):
    """``bar(total, done, moves)``: the lines of moves (seconds, steps, note) of a bar."""

    def lines(total, done, moves):
        now = [0.0]
        with progress_bar("distilling", total, done, clock=lambda: now[0]) as bar:
            for seconds, steps, note in moves:
                now[0] += seconds
                bar.advance(steps, note)
        out, err = capsys.readouterr()
        assert out == ""
        return err.splitlines()

    return lines


def test_a_log_has_a_line_a_minute_with_steps_speed_and_time_left(bar):
    moves = [(10, 20, f"loss {n}") for n in range(1, 16)]
    assert bar(1000, 0, moves) == [
        "distilling: 120 of 1000, 2.0 a second, 0:07:20 left; loss 6",
        "distilling: 240 of 1000, 2.0 a second, 0:06:20 left; loss 12",
    ]


def test_what_an_earlier_run_did_makes_this_one_no_faster(bar):
    assert bar(100, 90, [(360, 1, "")]) == ["distilling: 91 of 100, 360.0 s each, 0:54:00 left"]


def test_work_of_less_than_a_minute_is_silent(bar):
    assert bar(10, 0, [(59.9, 10, "")]) == []


def test_on_a_terminal_it_is_a_bar(bar, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    lines = "".join(bar(10, 0, [(600, 10, "loss 1")]))
    assert "10/10" in lines
    assert "of 10" not in lines


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("quiet", [True, False])
def test_a_log_has_the_lines_whatever_is_seen(bar, terminal, quiet, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with console.speaking(quiet=quiet):
        console.keep_log(tmp_path / "log.txt")
        seen = bar(10, 0, [(600, 5, "loss 1")])
    (line,) = (tmp_path / "log.txt").read_text().splitlines()
    assert line.endswith("  distilling: 5 of 10, 120.0 s each, 0:10:00 left; loss 1")
    assert bool(seen) is not quiet
