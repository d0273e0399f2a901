"""Tiny settings on digits with their experts, four of three epochs; the runs read two."""

import dataclasses

import pytest

from mttjax.config.methods import MTT
from mttjax.config.presets import Preset
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.runs.workflows import run_experts

NONE = Protocol(networks=0)
ROWS = {
    "dm": {1: {"steps": 3, "real_batch": 16, "evaluate_every": 0, "validation": NONE}},
    "forgetting": {1: {"networks": 1, "epochs": 2}},
}


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """Of MTT, two images per class."""
    experts = Experts(4, 3, batch=128, lr=0.05, folder=str(tmp_path_factory.mktemp("experts")))
    loop = {"steps": 4, "save_every": 2, "evaluate_every": 2, "validation": Protocol(2, 3)}
    reads = {"student_steps": 3, "expert_epochs": 1, "max_start": 2}
    settings = Settings(
        name="tiny",
        ipc=2,
        ops=("crop",),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4),
        experts=experts,
        distill=MTT(**loop, **reads, lr_img=10, batch=10),
    )
    run_experts(settings, log=lambda line: None)
    return dataclasses.replace(settings, experts=dataclasses.replace(experts, count=2))


@pytest.fixture(scope="session")
def preset(settings):
    """Those settings at any size, and few steps of DM."""
    return Preset((2,), lambda ipc: dataclasses.replace(settings, ipc=ipc), ROWS)
