"""What is printed, what is not, and what a log keeps."""

import os
import re

from mttjax.system import console

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d  "


def lines_of(path):
    """The lines of a log without their times, which each must have."""
    lines = path.read_text().splitlines()
    assert all(re.match(TIME, line) for line in lines)
    return [re.sub(TIME, "", line, count=1) for line in lines]


def speak(path):
    console.say("before the log")
    console.keep_log(path)
    console.say("two\nlines")
    console.detail("a detail")
    console.record("for the log")
    console.tell("an error")


def test_a_log_has_what_is_printed_from_the_moment_that_its_folder_is_there(tmp_path, capsys):
    path = tmp_path / "run/log.txt"
    with console.speaking():
        speak(path)
        assert not path.parent.exists()
        path.parent.mkdir()
        console.say("begun")
    console.say("after the block")
    assert lines_of(path) == ["two", "lines", "for the log", "an error", "begun"]
    out, err = capsys.readouterr()
    assert out == "before the log\ntwo\nlines\nbegun\nafter the block\n"
    assert err == "an error\n"


def test_quiet_is_errors_alone_and_the_same_log(tmp_path, capsys):
    with console.speaking(quiet=True):
        speak(tmp_path / "log.txt")
    assert capsys.readouterr() == ("", "an error\n")
    assert lines_of(tmp_path / "log.txt") == ["two", "lines", "for the log", "an error"]


def test_verbose_has_the_details(tmp_path, capsys):
    with console.speaking(verbose=True):
        speak(tmp_path / "log.txt")
    assert "a detail\n" in capsys.readouterr().out
    assert "a detail" in lines_of(tmp_path / "log.txt")


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path, capsys):
    os.mkdir(tmp_path / "log.txt")
    with console.speaking():
        speak(tmp_path / "log.txt")
    assert "two\nlines" in capsys.readouterr().out
