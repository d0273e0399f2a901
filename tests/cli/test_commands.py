"""The commands as a user types them: the whole way, and every mistake answered in a line."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from small import small_set

from mttjax.cli import train_experts
from mttjax.cli.launch import COMMANDS
from mttjax.config.methods import METHODS
from mttjax.config.presets import load_preset
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import load_distilled, save_distilled
from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trainer

BIN = Path(__file__).resolve().parents[2] / "bin"

TINY = ("--config", "tiny.py")
PROTOCOL = ("--protocol.networks", "2", "--protocol.epochs", "3")


def started(name, *arguments, stdout=subprocess.PIPE, **how):
    """A command of the checkout in a process of its own."""
    command = [sys.executable, BIN / name, *arguments]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, **how
    )


# --- what works ------------------------------------------------------------------------------


def test_the_whole_way(place, mttjax):
    status, out, _ = mttjax("train_experts", *TINY)
    assert status == 0
    assert "2 epochs each, enough for 1, 2 images per class" in out
    store = place / "experts/digits/convnet-d1-w4-standardize"
    assert (store / "0001/002.npz").exists()
    assert (store / "accuracies.png").exists()

    status, out, _ = mttjax("distill", *TINY, "--ipc", "2", "--distill.track-test")
    run = place / "runs/tiny-ipc2"
    assert status == 0
    evaluation = " ".join(("mttjax evaluate run runs/tiny-ipc2", *PROTOCOL))
    assert out.splitlines()[-1] == f"evaluate it:   {evaluation}"
    assert {"index.html", "last.npz", "best.npz", "best_on_test.npz"} <= set(os.listdir(run))

    status, out, _ = mttjax("evaluate", "run", run, *PROTOCOL)
    assert out.startswith("digits: 10 classes")
    rows = json.loads((run / "results.json").read_text())["rows"]
    typed = json.loads((run / "commands.json").read_text())["evaluate"]
    assert typed == shlex.join(["mttjax", "evaluate", "run", str(run), *PROTOCOL])
    tested = {"last", "best on validation", "best on test (paper's protocol)"}
    assert set(rows) == tested | {"random real images"}
    assert all(len(row["accuracies"]) == 2 for row in rows.values())
    assert "best on validation" in (run / "index.html").read_text()

    last = run / "last.npz"
    before = sorted(place.rglob("*"))
    status, out, _ = mttjax("evaluate", "set", last, run / "best.npz", "--no-random", *PROTOCOL)
    assert status == 0
    assert "best" in out
    assert "random" not in out
    assert sorted(place.rglob("*")) == before

    networks = ("--networks", "convnet-d2", *PROTOCOL)
    assert mttjax("evaluate", "networks", run, *networks)[0] == 0
    across = json.loads((run / "architectures.json").read_text())["rows"]
    assert set(across) == set(rows)
    assert mttjax("evaluate", "networks", last, *networks, "--no-random", "--to", "across")[0] == 0
    assert set(json.loads((place / "across/architectures.json").read_text())["rows"]) == {"last"}

    scores = ("--full-accuracy", ".95", "--to", "scores", *PROTOCOL)
    assert mttjax("evaluate", "robustness", last, *scores)[0] == 0
    assert (place / "scores/robustness.json").exists()

    status, out, _ = mttjax("export", "--set", last, "--to", "pngs")
    assert status == 0
    assert out.startswith("20 images: pngs\nhow to use them: pngs/how_to_use.json\n")
    assert f"{100 * load_distilled(last).clipped():.1f} % of their pixels are darker than" in out
    assert len(list((place / "pngs").rglob("*.png"))) == 20
    status, out, _ = mttjax("check", place)
    assert status == 0
    assert out.endswith("no faults\n")


@pytest.mark.parametrize("method", ["dm", "herding"])
def test_other_methods(method, place, mttjax):
    assert mttjax("train_experts", *TINY, "--method", method, "--experts.count", "1")[0] == 0
    assert mttjax("distill", *TINY, "--method", method)[0] == 0
    assert load_distilled(f"runs/tiny-{method}-ipc1/last.npz").settings["method"] == method


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ((), load_preset("digits").settings()),
        (("--ipc", "10"), load_preset("digits").settings(10)),
        (("--method", "cafe"), load_preset("digits").settings(1, "cafe")),
        (("--method", "herding", "--ipc", "3"), load_preset("digits").settings(3, "herding")),
    ],
)
def test_printed_settings_are_a_preset(arguments, settings, place, mttjax):
    changes = ("--seed", "7", "--data.classes", "1", "2", "--run.folder", "elsewhere")
    status, printed, _ = mttjax("distill", "--config", "digits", *arguments, *changes, "--print")
    assert status == 0
    assert os.listdir(place) == ["tiny.py"]
    record = settings.record() | {"seed": 7}
    record["data"]["classes"], record["run"]["folder"] = ("1", "2"), "elsewhere"
    assert json.loads(printed) == json.loads(json.dumps(record))
    (place / "mine.json").write_text(printed)
    assert load_preset("mine.json").settings().record() == record
    assert mttjax("distill", "--config", "mine.json", "--print")[1] == printed


def test_the_experts_settings_are_printed_with_the_epochs_that_serve_every_row(place, mttjax):
    _, printed, _ = mttjax("train_experts", *TINY, "--print")
    assert json.loads(printed)["experts"]["epochs"] == 2
    _, printed, _ = mttjax("train_experts", *TINY, "--ipc", "1", "--print")
    assert json.loads(printed)["experts"]["epochs"] is None


def test_a_run_is_watched_until_that_is_stopped(tmp_path):
    command = [sys.executable, BIN / "watch", tmp_path, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert f"<h1>{tmp_path.name}" in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert not list(tmp_path.iterdir())


# --- help ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train_experts",), ["--experts.count", "--network.width", "--print"]),
        (("distill",), ["--config NAME|FILE", "--distill.student-steps"]),
        (("distill", "--config", "cifar10", "--ipc", "50"), ["--distill.lr-img", "1000.0"]),
        (("distill", "--config", "cifar10", "--method", "dd"), ["--distill.passes"]),
        (("evaluate",), ["run", "set", "networks", "robustness"]),
        (("evaluate", "run"), ["--protocol.epochs", "--no-random", "--data.dir"]),
        (("figure",), ["range", "distance", "grid", "cost"]),
        (("demo",), ["--folder", "runs/demo"]),
    ],
    ids=" ".join,
)
def test_help(arguments, words, mttjax):
    status, out, err = mttjax(*arguments, "--help")
    assert (status, err) == (0, "")
    assert f"mttjax {arguments[0]}" in out
    assert all(word in out for word in words)


def helped(page):
    """option -> its help, of a page that --help prints."""
    helps, option = {}, ""
    for line in page.partition("options")[2].splitlines():
        words = line.strip("│| ")
        if re.match(r"--\w|[╭╰─+-]{2}", words):
            option, *rest = re.split(r"\s{2,}", words, maxsplit=1)
            words = " ".join(rest)
        if re.match(r"--\w", option):
            helps[option] = f"{helps.get(option, '')} {words}".split("(default:")[0].strip()
    return helps


WITH_HELP = [
    *(f"distill --config digits --method {method}" for method in METHODS),
    *("train_experts", "table", "check", "export", "demo"),
    *(f"evaluate {use}" for use in ("run", "set", "networks", "robustness")),
    *(f"figure {figure}" for figure in ("range", "distance", "grid", "cost")),
    *(f"convert {way}-{what}" for way in ("import", "export") for what in ("set", "experts")),
]


@pytest.mark.parametrize("line", WITH_HELP)
def test_every_option_is_explained_in_words(line, mttjax):
    _, page, _ = mttjax(*line.split(), "--help")
    helps = helped(page)
    assert len(helps) == len(re.findall(r"^[│| ]*--\w", page.partition("options")[2], re.M)) > 0
    unclear = r"(?!\S+ \S+ \S)|Of |None:|How\.|At |After |.{1,2},"
    assert {o: text for o, text in helps.items() if re.match(unclear, text)} == {}
    assert "type: ignore" not in page


# --- mistakes --------------------------------------------------------------------------------

MISTAKES = [
    ("distil", "did you mean 'distill'"),
    ("distill", "--config is needed: one of cifar10"),
    ("distill --conifg digits", "--conifg is no option, did you mean --config?"),
    ("table --confg=digits", "--confg is no option, did you mean --config?"),
    ("train_experts --ipc 1", "train_experts: --config is needed: one of"),
    ("distill --config typo.json", "distill.stepps is no setting: did you mean 'steps'"),
    ("distill --config tiny.py --ipc x", "--ipc: invalid int value: 'x'"),
    ("distill --config tiny.py --distill.stepps 3", "Perhaps you meant: --distill.steps"),
    ("distill --config tiny.py --distill.steps 0", "distill: steps is 0: must be a whole number"),
    ("distill --config tiny.py --distill.initial photo", "must be one of real, noise"),
    ("distill --config tiny.py --run.folder tiny.py", "tiny.py is not a folder"),
    (f"distill --config tiny.py --run.folder {300 * 'x'}", "--run.folder xxxxxxxxxxxxxxxxxxxx..."),
    (
        "distill --config tiny.py --ipc 2 --seed 3",
        "rain them with: mttjax train_experts --config tiny.py --ipc 2 --seed 3",
    ),
    ("distill --config tiny.py --method herding", "with: mttjax train_experts --config tiny.py"),
    ("distill --config tiny.py --method dm --ipc 9999", "9999"),
    ("train_experts --config cifar10 --ipc 1 --data.dir nowhere", "nowhere does not exist"),
    ("evaluate", "Expected one of {run, set, networks, robustness}"),
    ("evaluate rnu .", "rnu"),
    ("evaluate run .", "no distilled set there"),
    ("evaluate run . --seed -1", "seed is -1"),
    ("evaluate run . --to x", "--to (applied to mttjax evaluate run)"),
    ("evaluate set", "give at least one distilled set"),
    ("evaluate set none.npz", "none.npz"),
    ("evaluate set bees.npz", "the set is of 'bright', which is no data set that can be loaded"),
    ("evaluate set bees.npz", "give --data.dataset, out of digits, mnist"),
    ("evaluate set bees.npz --data.dataset digits", "the set was distilled from bright with"),
    (
        "evaluate networks bees.npz --networks convnet --data.dataset digits",
        "images (8, 8, 1) of 3",
    ),
    ("evaluate set foreign.npz", "its members are data. Only what save_distilled or a command wro"),
    ("evaluate set foreign.pt", "foreign.pt: not a whole .npz of plain arrays"),
    ("evaluate networks bees.npz", "--networks"),
    ("evaluate networks bees.npz --networks convnet --to tiny.py", "--to tiny.py"),
    ("evaluate robustness bees.npz", "--full-accuracy"),
    ("evaluate robustness bees.npz --full-accuracy 87", "full_accuracy is 87.0"),
    ("table --config tiny.py --draws 0", "draws is 0"),
    ("table --config tiny.py --folder tiny.py", "--folder tiny.py"),
    ("figure", "Expected one of {range, distance, grid, cost}"),
    ("figure grid --set bees.npz --to x.txt", "give a name that ends in .png"),
    ("figure cost --runs nowhere --to x", "nowhere"),
    ("figure range --config tiny.py --student-steps 0", "student_steps is 0"),
    ("figure distance --experts x --held-out 0", "either --set FILE.npz or --run FOLDER"),
    ("figure distance --set bees.npz --experts x --held-out 0", "expert_epochs is None: give M"),
    ("check nowhere", "nowhere: no such file or folder"),
    ("check empty", "no expert store, run, set or table is there"),
    ("export --set tiny.py --to x", "tiny.py"),
    ("export --set bees.npz --to tiny.py", "--to tiny.py"),
    ("convert", "Expected one of {import-set, import-experts, export-set, export-experts}"),
    ("convert import-set images_best.pt --to set.npz", "Missing from mttjax convert import-set"),
    ("convert export-set bees.npz --to x", "--layout"),
    ("convert export-set bees.npz --layout mtt --to tiny.py", "--to tiny.py"),
    ("convert export-set foreign.pt --layout mtt --to x", "foreign.pt: not a whole .npz"),
    ("convert export-experts empty --to x", "empty: no expert there has an epoch; train them with"),
    ("distill --config tiny.py --minutes", "distill: --minutes : give a number of minutes"),
    ("table --config tiny.py --minutes=soon", "table: --minutes soon: give a number of minutes"),
    ("train_experts --minutes -1 --config tiny.py", "--minutes -1: give a number of minutes"),
    ("demo --folder tiny.py", "--folder tiny.py"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line[:60] for line, _ in MISTAKES])
def test_a_mistake_is_answered_with_the_value_and_the_remedy(line, message, place, mttjax):
    (place / "typo.json").write_text('{"distill": {"stepps": 3}}')
    (place / "empty").mkdir()
    save_distilled(place / "bees.npz", small_set())
    np.savez(place / "foreign.npz", data=np.zeros(3))
    (place / "foreign.pt").write_bytes(b"\x80\x02]q")
    before = sorted(place.rglob("*"))
    status, out, err = mttjax(*line.split())
    # That the images were read may have been said before.
    assert (status, out.removeprefix(load_dataset("digits").describe() + "\n")) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())
    assert "remove it" not in err
    assert sorted(place.rglob("*")) == before


def test_an_export_says_that_soft_labels_are_in_no_folder(place, mttjax):
    save_distilled("soft.npz", small_set(soft=True))
    _, out, _ = mttjax("export", "--set", "soft.npz", "--to", "pngs")
    assert "the labels are probabilities, in how_to_use.json; there are no folders" in out
    assert sorted(p.name for p in (place / "pngs").iterdir() if p.suffix == ".png") == [
        *("000.png", "001.png", "002.png")
    ]


def test_a_presets_own_error_is_shown_whole(place, mttjax):
    (place / "wrong.py").write_text("IPCS = (1 / 0,)")
    with pytest.raises(ZeroDivisionError):
        mttjax("distill", "--config", "wrong.py")


# --- signals -----------------------------------------------------------------------------------


def epochs_kept(place):
    """expert -> how many epochs, from 0, the store of ``tiny.py`` has of it."""
    store = ExpertStore(place / "experts/digits/convnet-d1-w4-standardize")
    return {expert: store.epochs_done(expert) for expert in store.numbers()}


def test_two_signals_in_a_row_finish_the_epoch_in_hand(place, capsys, monkeypatch):
    epochs = Trainer.epochs

    def interrupted(self, *arguments):
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        return epochs(self, *arguments)

    monkeypatch.setattr(Trainer, "epochs", interrupted)
    # Not by launch: that would end the process of the tests.
    assert train_experts.main([*TINY, "--experts.parallel", "1"]) == 128 + signal.SIGTERM
    said = "stopped by SIGTERM after epoch 1 of expert 0; the same command goes on from there"
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert epochs_kept(place) == {0: 2}


WAITS_IN_AN_EPOCH = """
import select, sys
from mttjax.experts.store import ExpertStore
from mttjax.experts.trainer import Trainer
epochs = Trainer.epochs
def waits(self, *arguments):
    print("an epoch began")
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        pass  # not in one call: a signal just before it would wait for its end
    sys.stdin.readline()
    return epochs(self, *arguments)
Trainer.epochs = waits
"""


@pytest.mark.skipif(not shutil.which("timeout"), reason="needs GNU's timeout")
def test_under_timeout_the_epoch_in_hand_is_finished(place):
    """It signals the command and then its group, on time or when it is signalled itself."""
    with (place / "tiny.py").open("a") as preset:
        preset.write(WAITS_IN_AN_EPOCH)
    command = ("timeout", "900", sys.executable, BIN / "train_experts", *TINY)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*command, "--experts.parallel", "1"], **pipes, text=True) as process:
        while "an epoch began" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        while "stopping after the step in hand" not in (line := process.stderr.readline()):
            assert line
        _, err = process.communicate("\n")
    assert process.returncode == 128 + signal.SIGTERM
    stops = [line for line in err.splitlines() if line.startswith("stop")]  # XLA may speak too
    assert stops[0].startswith("stopped by SIGTERM after epoch 1 of expert 0"), err
    assert epochs_kept(place) == {0: 2}


# --- in a process of its own -----------------------------------------------------------------


def test_a_missing_package_is_one_line_with_the_set_up_command(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tyro'] = None\n")
    done = started("train_experts", env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "'tyro' is missing" in done.stderr
    assert "make env" in done.stderr


def test_a_reader_that_went_away_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = started("distill", "--config", "digits", "--print", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + 13, "")


def test_the_checkout_has_every_command():
    assert {path.name for path in BIN.iterdir()} == set(COMMANDS)
    assert all(os.access(path, os.X_OK) for path in BIN.iterdir())
