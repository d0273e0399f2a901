"""Commands that messages and pages give: each is accepted, and does what it is given for."""

import dataclasses
import json
import shlex
import sys
from pathlib import Path

import pytest
import tyro
from pages import Page

from mttjax.cli.advice import commands_of_run, evaluation_of, typed
from mttjax.cli.evaluate import USES
from mttjax.cli.options import preset_settings
from mttjax.config import Protocol
from mttjax.experts.store import ExpertStore
from mttjax.runs.folder import RunFolder
from mttjax.runs.page import write_run_page

TINY = ("--config", "tiny.py")


def options(command, name):
    """What a command line gives to the command ``name``."""
    program, called, *arguments = shlex.split(command)
    assert (program, called) == ("mttjax", name)
    return arguments


def advised(err, name="train_experts"):
    """The options of the command that a message ends with or has in its middle."""
    command = err.split("with: ")[1].split(", or ")[0].splitlines()[0].strip()
    return options(command, name)


@pytest.mark.parametrize(
    "line",
    [
        "--config cifar10 --ipc 1 --distill.max-start 20",
        "--config tiny.py --experts.epochs 2 --distill.max-start 9",
        "--config tiny.py --name pets --data.dataset image_folder --data.dir 'my pets'",
        "--config=tiny.py --network.width 16 --ops crop flip --experts.folder x --run.folder y",
        "--config mine.json --seed 3",
        "--config digits --method herding --distill.expert 200",
        "--config tiny.py --method dm --evaluate.epochs 7 --data.dir elsewhere --data.download",
    ],
)
def test_the_commands_of_a_run_are_accepted_and_have_its_settings(line, place, mttjax):
    (place / "mine.json").write_text(mttjax("distill", *TINY, "--ipc", "2", "--print")[1])
    arguments = shlex.split(line)
    wanted = preset_settings("distill", arguments).settings
    commands = commands_of_run(wanted, arguments)
    again = preset_settings("distill", options(commands["distill"], "distill")).settings
    assert again == wanted
    use = tyro.cli(USES, args=options(evaluation_of(wanted, wanted.run_folder), "evaluate"))
    assert (use.folder, use.protocol) == (wanted.run_folder, wanted.evaluate)
    assert use.data.over(wanted.data) == wanted.data
    assert (use.data.dir, use.data.download) == (wanted.data.dir, wanted.data.download)
    assert ("train_experts" in commands) is (wanted.method in ("mtt", "herding"))
    if "train_experts" in commands:
        arguments = options(commands["train_experts"], "train_experts")
        trained = preset_settings("train_experts", arguments).settings
        assert trained.recipe() == wanted.recipe()
        assert (trained.data, trained.expert_folder) == (wanted.data, wanted.expert_folder)
        if wanted.method == "mtt":
            assert trained.expert_epochs >= wanted.distill.epochs_needed
        else:
            assert trained.experts.count > wanted.distill.expert


@pytest.mark.parametrize("epochs", [(), ("--experts.epochs", "1")])
def test_a_refusal_for_want_of_epochs_is_mended_by_what_it_advises(epochs, place, mttjax):
    short = ("--distill.steps", "1", "--distill.validation.networks", "0", "--experts.count", "1")
    arguments = (*TINY, "--ipc", "1", "--distill.max-start", "4", *short, *epochs)
    status, _, err = mttjax("distill", *arguments)
    assert status == 2
    assert mttjax("train_experts", *advised(err))[0] == 0
    store = ExpertStore(place / "experts/digits/convnet-d1-w4-standardize")
    assert store.epochs_done(0) == 1 + 4
    if epochs:
        return
    status, out, _ = mttjax("distill", *arguments)
    assert status == 0

    run = RunFolder("runs/tiny-ipc1")
    commands = run.commands()
    assert commands["distill"] == shlex.join(["mttjax", "distill", *arguments])
    assert out.splitlines()[-1] == f"evaluate it:   {commands['evaluate']}"
    written = Page(write_run_page(run.path).read_text()).text
    assert all(command in written for command in commands.values())
    kept = {"evaluate": "as it was typed"}
    run.save_commands(kept)
    assert mttjax("distill", *arguments)[0] == 0
    assert run.commands() == commands | kept
    assert mttjax("check", run.path)[0] == 0


def test_a_table_and_a_sweep_advise_their_own_experts(place, mttjax):
    data = ("--data.download", "--experts", "mine")
    table = ("--config", "tiny.py", "--network.width", "8", "--methods", "mtt", "--no-full", *data)
    status, _, err = mttjax("table", *table)
    assert status == 3  # the cell failed, and it alone
    settings = preset_settings("train_experts", advised(err)).settings
    assert (settings.network.width, settings.network.depth) == (8, 1)
    assert (settings.data.download, str(settings.expert_folder)) == (True, "mine")

    sweep = ("--config", "tiny.py", "--expert-epochs", "1", "3", "--count", "4", *data)
    status, _, err = mttjax("figure", "range", *sweep)
    assert status == 2
    settings = preset_settings("train_experts", advised(err)).settings
    assert settings.expert_epochs == 2 - 1 + 3
    assert (settings.experts.count, str(settings.expert_folder)) == (4, "mine")
    assert settings.data.download


def test_in_a_checkout_its_own_commands_are_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bin/distill", "--ipc", "1"])
    assert typed("evaluate", ["run", Path("my run")]) == "bin/evaluate run 'my run'"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/mttjax", "distill"])
    assert typed("evaluate", ["run", "x"]) == "mttjax evaluate run x"


def test_the_run_of_a_program_has_no_commands(tmp_path):
    run = RunFolder(tmp_path)
    run.begin({"name": "mine", "ipc": 1, "method": "mtt"})
    assert run.commands() == {}
    assert "Run it again" not in write_run_page(tmp_path).read_text()
    (tmp_path / "commands.json").write_text("{")
    run.begin({"name": "mine", "ipc": 1, "method": "mtt"}, typed={"distill": "mttjax distill"})
    assert json.loads((tmp_path / "commands.json").read_text())["distill"] == "mttjax distill"


def test_values_of_every_kind_become_options():
    settings = preset_settings("distill", ["--config", "digits"]).settings
    changed = dataclasses.replace(settings, evaluate=Protocol(networks=3, weight_decay=0.25))
    command = evaluation_of(changed, Path("r"))
    assert "--protocol.networks 3" in command
    assert "--protocol.weight-decay 0.25" in command
