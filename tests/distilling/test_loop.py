"""The outer loop on digits: it learns, resumes to the same bits, and survives a NaN."""

import errno
import json
import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from small import scored

from mttjax.config.methods import MTT
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec
from mttjax.core.synthetic import Synthetic
from mttjax.datasets.loading import load_dataset
from mttjax.distilled import load_distilled
from mttjax.distilling import loop
from mttjax.distilling import mtt as mtt_module
from mttjax.distilling.loop import Diverged, LoopState, _evaluated
from mttjax.distilling.pairs import ExpertPairs
from mttjax.evaluation.evaluator import Evaluator
from mttjax.runs.folder import RunFolder
from mttjax.runs.workflows import distill, run_experts
from mttjax.system.errors import InputError
from mttjax.system.metrics import Metrics
from mttjax.system.signals import Stopped, time_limit


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def settings(tmp_path_factory, dataset):
    """A tiny run, with its experts trained."""
    how = MTT(
        student_steps=4,
        expert_epochs=2,
        max_start=3,
        lr_img=30,
        lr_lr=0.1,
        lr=0.05,
        steps=12,
        evaluate_every=6,
        save_every=4,
        validation=Protocol(networks=1, epochs=5),
    )
    settings = Settings(
        name="tiny",
        ops=("cutout",),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=1, width=4),
        experts=Experts(count=2, batch=64, folder=str(tmp_path_factory.mktemp("experts"))),
        distill=how,
    )
    run_experts(settings, dataset, log=lambda line: None)
    return settings


def run(settings, folder, dataset, log=lambda line: None, **changes):
    settings = replace(settings, run=Run(folder=str(folder)))
    settings = replace(settings, distill=replace(settings.distill, **changes))
    return distill(settings, dataset, log=log).path


@pytest.mark.parametrize("mean", [0.85, 0.9])  # above and below themselves as float32
def test_of_equal_scores_the_later_is_the_best(mean):
    kept, none = [], np.float32(-1)
    state = LoopState(
        SimpleNamespace(synthetic=Synthetic(0, 0, 0.0)), np.int32(0), none, none, none
    )
    teller = SimpleNamespace(metrics=SimpleNamespace(write=lambda line: None))
    score = scored(mean)
    for step in (0, 5, 9):
        state = _evaluated(
            state._replace(step=np.int32(step)),
            lambda synthetic, step: {"validation": score, "test": score},
            teller,
            lambda kind, synthetic, step: kept.append((kind, step)),
            lambda line: None,
        )
    # On test the first, as the paper's own code takes it.
    assert kept == [("best", 0), ("best_on_test", 0), ("best", 5), ("best", 9)]
    assert state.best_step == 9


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same_bytes(a, b, names=("last.npz", "best.npz", "state.npz")):
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def requests():
    """What was to be compiled, an entry each, whether it was compiled before or not."""
    came = []

    def note(event, **_):
        if event == "/jax/compilation_cache/compile_requests_use_cache":
            came.append(event)

    jax.monitoring.register_event_listener(note)
    yield came
    jax.monitoring.unregister_event_listener(note)


@pytest.fixture(scope="module")
def whole(settings, dataset, tmp_path_factory, requests):
    """The run that was never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    before = len(requests)
    run(settings, folder, dataset)
    folder.with_suffix(".programs").write_text(str(len(requests) - before))
    return folder


def test_a_run_compiles_a_dozen_programs(whole):
    """Fewer where another test had some of them compiled; once it was sixty."""
    assert int(whole.with_suffix(".programs").read_text()) <= 12


def test_a_run_lowers_the_loss_and_leaves_what_it_says(settings, dataset, whole):
    lines = metrics(whole)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert all(
        {"loss", "lr", "seconds", "student_loss", "gradient", "skipped"} <= set(s) for s in steps
    )
    evaluations = [line for line in lines if "evaluation" in line]
    assert [line["step"] for line in evaluations] == [0, 6, 12]
    last = load_distilled(whole / "last.npz")
    assert last.settings["step"] == 12
    assert last.lr != pytest.approx(0.05)
    assert last.images.shape == (10, 8, 8, 1)
    best = max(evaluations, key=lambda line: line["evaluation"]["mean"])
    assert load_distilled(whole / "best.npz").settings["step"] == best["step"]
    assert len(list((whole / "grids").glob("last_000012_*.png"))) == 3


def test_stopped_at_any_step_and_run_again_it_ends_bit_identical(
    settings, dataset, whole, tmp_path
):
    folder = tmp_path / "run"

    def stop_after_the_first_evaluation(line):
        if line.startswith("step 6"):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped, match="after step 6"):
        run(settings, folder, dataset, log=stop_after_the_first_evaluation)
    assert load_distilled(folder / "last.npz").settings["step"] == 6
    run(settings, folder, dataset)
    assert same_bytes(folder, whole)


def test_what_would_not_end_in_time_is_not_begun(settings, dataset, whole, tmp_path, monkeypatch):
    """That an evaluation takes 2000 seconds is known from the one before the first step."""
    clock, evaluated = [0.0], Evaluator.__call__

    def slow(self, *arguments, **how):
        clock[0] += 2000
        return evaluated(self, *arguments, **how)

    monkeypatch.setattr(Evaluator, "__call__", slow)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    folder = tmp_path / "run"
    with time_limit(20), pytest.raises(Stopped, match="by --minutes after step 5"):
        run(settings, folder, dataset)
    run(settings, folder, dataset)
    assert same_bytes(folder, whole)


def test_it_is_saved_while_the_device_works_and_a_fault_ends_the_run(
    settings, dataset, whole, tmp_path, monkeypatch
):
    """The state of step 4 is written when step 6 was told of; that it fails is said at step 8."""
    save, told = RunFolder.save_state, threading.Event()

    def slow(self, state):
        if state.step == 4:
            assert told.wait(60)
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, state)

    def tell(self, line):
        write(self, line)
        if line["step"] == 6:
            told.set()

    write = Metrics.write
    monkeypatch.setattr(RunFolder, "save_state", slow)
    monkeypatch.setattr(Metrics, "write", tell)
    folder = tmp_path / "run"
    with pytest.raises(OSError, match="No space left"):
        run(settings, folder, dataset, evaluate_every=0)
    assert metrics(folder)[-1]["step"] == 8
    monkeypatch.undo()
    run(settings, folder, dataset, evaluate_every=0)
    ours, theirs = (load_distilled(path / "last.npz").images for path in (folder, whole))
    np.testing.assert_array_equal(ours, theirs)


def test_that_the_last_state_cannot_be_written_is_said(settings, dataset, tmp_path, monkeypatch):
    def full(self, state):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFolder, "save_state", full)
    with pytest.raises(OSError, match="No space left"):
        run(settings, tmp_path / "run", dataset, steps=1, evaluate_every=0)


def test_killed_between_two_saves_it_repeats_the_lost_steps(settings, dataset, whole, tmp_path):
    folder = tmp_path / "run"

    def die(line):
        if line.startswith("step 6"):
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run(settings, folder, dataset, log=die)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"step": 7, "lo')  # the line that a kill cut off
    lines = []
    run(settings, folder, dataset, log=lines.append)
    assert "going on after step 5" in lines  # it is saved before an evaluation
    assert same_bytes(folder, whole)
    assert [m["step"] for m in metrics(folder)] == [m["step"] for m in metrics(whole)]


def test_a_finished_run_is_left_alone_and_can_be_extended(settings, dataset, whole, tmp_path):
    folder = tmp_path / "run"
    run(settings, folder, dataset, steps=6)
    before = (folder / "last.npz").read_bytes()
    lines = []
    run(settings, folder, dataset, steps=6, log=lines.append)
    assert any("all 6 steps are done" in line for line in lines)
    assert (folder / "last.npz").read_bytes() == before
    run(settings, folder, dataset, steps=12)
    assert np.array_equal(
        load_distilled(folder / "last.npz").images, load_distilled(whole / "last.npz").images
    )


def test_other_settings_in_the_same_folder_are_refused_by_name(settings, dataset, whole):
    with pytest.raises(InputError, match=r"distill\.lr_img was 30, is 31"):
        run(settings, whole, dataset, lr_img=31)


def test_divergence_never_enters_the_images_and_stops_the_run(settings, dataset, tmp_path):
    folder, far_too_fast = tmp_path / "run", {"lr_img": 1e30, "steps": 40, "evaluate_every": 0}
    with pytest.raises(Diverged, match=r"10 steps in a row.*Lower lr_img \(1e\+30\)"):
        run(settings, folder, dataset, **far_too_fast)
    last = load_distilled(folder / "last.npz")  # refuses what is not finite
    assert metrics(folder)[-1]["skipped"] >= 10
    assert np.array_equal(last.images, load_distilled(folder / "best.npz").images)  # the first
    with pytest.raises(Diverged, match="The last good images are in"):  # at once: it goes on
        run(settings, folder, dataset, **far_too_fast)
    assert np.array_equal(last.images, load_distilled(folder / "last.npz").images)


def test_rates_a_thousand_times_too_large_are_refused_though_all_is_finite(
    settings, dataset, tmp_path
):
    """α would be 1e-12 after a step, where the student stands still and the loss is 1."""
    folder = tmp_path / "run"
    with pytest.raises(Diverged, match="took images or rate beyond use"):
        run(settings, folder, dataset, lr_img=30e3, lr_lr=100.0, steps=40, evaluate_every=0)
    steps = [line for line in metrics(folder) if "loss" in line]
    assert all(line["loss"] is not None for line in steps)


def test_one_bad_step_is_skipped_and_counted(settings, dataset, tmp_path, monkeypatch):
    """A pair with a NaN changes nothing but the count."""
    draw = ExpertPairs.draw

    def poisoned(self, step):
        drawn = draw(self, step)
        if step != 2:
            return drawn
        start, target = drawn.context
        bias = np.full_like(start["linear"]["bias"], np.nan)
        linear = start["linear"] | {"bias": bias}
        return drawn._replace(context=(start | {"linear": linear}, target))

    monkeypatch.setattr(ExpertPairs, "draw", poisoned)
    folder = tmp_path / "run"
    run(settings, folder, dataset, steps=3, evaluate_every=0)
    steps = [line for line in metrics(folder) if "loss" in line]
    assert [line["skipped"] for line in steps] == [0, 0, 1]
    assert steps[2]["loss"] is None
    assert np.isfinite(load_distilled(folder / "last.npz").images).all()


def test_without_experts_it_says_which_command_makes_them(settings, dataset, tmp_path):
    elsewhere = replace(settings, experts=Experts(folder=str(tmp_path / "none")))
    with pytest.raises(InputError, match=r"no experts there have the 4 epochs.*with train_experts"):
        run(elsewhere, tmp_path / "run", dataset)


def test_experts_of_another_recipe_are_refused(settings, dataset, tmp_path):
    other = replace(settings, ops=("flip",))
    with pytest.raises(InputError, match="another recipe: ops"):
        run(other, tmp_path / "run", dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 11}, "batch is 11: there are 10"),
        ({"max_start": 30}, "no experts there have the 31 epochs"),
        ({"chunk": 3}, "chunk is 3: must divide the minibatch of 10 images"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_a_folder_is_made(
    settings, dataset, tmp_path, change, message
):
    with pytest.raises(InputError, match=message):
        run(settings, tmp_path / "run", dataset, **change)
    assert not (tmp_path / "run").exists()


def test_a_minibatch_in_chunks_distils_the_same_images(settings, dataset, tmp_path):
    images = [
        load_distilled(
            run(settings, tmp_path / str(chunk), dataset, steps=3, evaluate_every=0, chunk=chunk)
            / "last.npz"
        ).images
        for chunk in (2, 10)
    ]
    np.testing.assert_allclose(*images, rtol=1e-3, atol=1e-4)


def test_several_trajectories_resume_to_the_same_bits(settings, dataset, tmp_path):
    several = dict(trajectories=3, evaluate_every=0, save_every=2)
    whole = run(settings, tmp_path / "whole", dataset, steps=4, **several)
    run(settings, tmp_path / "parts", dataset, steps=2, **several)
    parts = run(settings, tmp_path / "parts", dataset, steps=4, **several)
    assert same_bytes(parts, whole)
    assert {len(m["experts"]) for m in metrics(whole) if "loss" in m} == {3}


def test_noise_as_initial_images_and_the_published_rate_of_alpha(settings, dataset, tmp_path):
    folder = run(settings, tmp_path / "a", dataset, initial="noise", steps=1, lr_lr=0.0)
    assert load_distilled(folder / "last.npz").lr == pytest.approx(0.05)
    rates = {"log": 0.05**-2 * 1e-4, "alpha": 1e-4}  # one step of either is the same
    learned = [
        load_distilled(
            run(settings, tmp_path / space, dataset, steps=1, lr_lr=rate, lr_lr_in=space)
            / "last.npz"
        ).lr
        for space, rate in rates.items()
    ]
    assert learned[0] == pytest.approx(learned[1], rel=1e-5)
    assert learned[0] != pytest.approx(0.05)


def test_the_outer_step_is_compiled_once(settings, dataset, tmp_path):
    lines = []
    run(settings, tmp_path / "run", dataset, steps=4, log=lines.append)
    assert sum("compiled" in line for line in lines) == 1


def test_the_host_tells_of_a_step_while_the_device_works_on_the_next(
    settings, dataset, tmp_path, monkeypatch
):
    """The order of events, not their times: step 2 is handed over before step 1 is waited for."""
    events, compile_program = [], mtt_module.compile_program

    class Record:
        """Packed; looking at it is waiting for the device."""

        def __init__(self, packed, step):
            self.packed, self.step = packed, step

        def __array__(self, dtype=None, copy=None):
            events.append(("waits for", self.step))
            return np.array(self.packed)

    def compiled(*arguments):
        program = compile_program(*arguments)

        def step(state, context, root, index):
            events.append(("hands over", index + 1))
            state, packed = program(state, context, root, index)
            return state, Record(packed, index + 1)

        return step

    monkeypatch.setattr(mtt_module, "compile_program", compiled)
    run(settings, tmp_path / "run", dataset, steps=4, evaluate_every=0)
    order = [("hands over", 1), ("hands over", 2), ("waits for", 1), ("hands over", 3)]
    order += [("waits for", 2), ("waits for", 3)]  # before the last step, and evaluation, it saves
    assert events == [*order, ("hands over", 4), ("waits for", 4)]
