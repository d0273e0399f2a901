"""The table on paper: bounds that any simulation keeps, and what waits for experts."""

import json

import pytest

from benchmarks.scale import Options, Unit, all_units, report, simulated

KNOWN = json.loads(Options().units.read_text())
NO_BEGIN = KNOWN | {"assumed": KNOWN["assumed"] | {"reading and whitening the images, s": 0}}


@pytest.mark.parametrize("devices", [1, 8, 64, 512])
def test_no_number_of_devices_is_faster_than_the_work_or_the_longest_unit(devices):
    units = all_units(Options(), KNOWN)
    assert len(units) == 11 * 9 * 3 + 3 * 100
    made, work = simulated(units, devices, NO_BEGIN), sum(unit.seconds for unit in units)
    assert made.seconds >= max(work / devices, *(unit.seconds for unit in units))
    assert made.seconds == pytest.approx(work / devices / made.busy)


def test_cells_wait_for_the_experts_that_they_read():
    expert, reading, other = Unit(5.0, 0, 0, True), Unit(3.0, 0, 0, False), Unit(4.0, 0, -1, False)
    made = simulated([expert, reading, other], 2, NO_BEGIN)
    assert (made.experts_done, made.seconds) == (5.0, 8.0)


def test_the_table_says_what_is_assumed_and_what_limits():
    table = report(Options(), KNOWN).markdown()
    assert "Assumed, not measured" in table
    assert "the longest cell" in table
