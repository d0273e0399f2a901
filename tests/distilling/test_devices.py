"""A step, an evaluation and experts on several devices: the bits of one, by forced CPU devices."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from mttjax.config.methods import MTT
from mttjax.config.settings import Settings
from mttjax.distilling.side_by_side import devices_of_step
from mttjax.system.errors import InputError
from mttjax.system.team import ALONE, Team

HERE = Path(__file__).parent


def found(*options):
    path = os.pathsep.join([str(HERE.parent), *sys.path])
    out = subprocess.run(
        [sys.executable, HERE / "devices.py", *options],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(out.splitlines()[-1])


def test_four_devices_give_the_bits_of_one_and_two_train_networks_as_one():
    cases = found()
    assert len(cases) == 4
    assert all(cases.values()), cases


@pytest.mark.slow
def test_two_devices_and_three_do():
    cases = found("--all")
    assert len(cases) == 6
    assert all(cases.values()), cases


def test_more_devices_than_there_are_or_than_trajectories_are_refused(monkeypatch):
    assert devices_of_step("all", 4, ALONE) == jax.local_devices()
    with pytest.raises(InputError, match=r"distill.devices is 2: JAX has 1 in this process"):
        devices_of_step(2, 4, ALONE)
    monkeypatch.setattr(jax, "local_devices", lambda: list("abcdefgh"))
    assert devices_of_step("all", 3, ALONE) == ["a", "b", "c"]
    assert devices_of_step("all", 5, Team(1, 2)) == ["a", "b", "c"]
    with pytest.raises(InputError, match="a step has 3 trajectories in this process"):
        devices_of_step(4, 3, ALONE)


def test_more_processes_than_trajectories_are_refused():
    with pytest.raises(InputError, match=r"distill.trajectories is 2: 3 processes"):
        devices_of_step("all", 2, Team(0, 3))


def test_how_many_devices_there_are_does_not_decide_a_run():
    settings = Settings(distill=MTT(trajectories=2, devices=2))
    assert settings.decisive() == Settings(distill=MTT(trajectories=2)).decisive()
    assert settings.record()["distill"]["devices"] == 2


@pytest.mark.parametrize("devices", [0, "some", 1.5, True])
def test_what_is_no_number_of_devices_is_refused(devices):
    with pytest.raises(InputError, match="devices is"):
        MTT(devices=devices)
