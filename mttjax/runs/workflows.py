"""What the commands do, as functions of the settings: train experts, distil, select."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mttjax.config.methods import MATCHING, SELECTIONS
from mttjax.config.settings import Settings
from mttjax.core.decoding import AS_LEARNED
from mttjax.core.networks import make_network
from mttjax.core.synthetic import Synthetic, mean_rate, one_hot_labels
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.distilling.loop import Schedule, run_loop
from mttjax.evaluation.evaluator import Evaluator
from mttjax.evaluation.testing import Evaluation
from mttjax.experts.store import ExpertStore
from mttjax.experts.training import begin_store, train_experts
from mttjax.reporting import save_views
from mttjax.runs.assembling import assemble
from mttjax.runs.beside import keep_beside
from mttjax.runs.folder import RunFolder
from mttjax.runs.following import Follower
from mttjax.runs.problem import Log, Problem, load_data, prepare, require_room
from mttjax.runs.selection import select
from mttjax.runs.tracking import tracking
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
from mttjax.system.provenance import versions
from mttjax.system.team import ALONE, Team

__all__ = ["SetKeeper", "begin_experts", "distill", "run_experts"]


def begin_experts(settings: Settings[Any], log: Log = print) -> None:
    """Begins the store of the settings' experts, if it is not there; nothing is trained.

    Raises:
      InputError: the store is of another recipe.
    """
    begin_store(load_data(settings, log), settings.recipe(), settings.expert_folder, log)


def run_experts(
    settings: Settings[Any],
    dataset: Dataset | None = None,
    log: Log = print,
    *,
    worker: int | None = None,
) -> ExpertStore:
    """Trains the experts of the settings, in their folder; goes on where it stopped.

    ``worker`` as in ``train_experts``.

    Raises:
      InputError: settings that do not fit the data or the store.
      Stopped: see ``train_experts``.
    """
    dataset = dataset or load_data(settings, log)
    require_room(settings, make_network(settings.network, dataset.image_shape, dataset.n_classes))
    return train_experts(
        dataset,
        settings.recipe(),
        settings.expert_folder,
        experts=settings.experts.count,
        epochs=settings.expert_epochs,
        parallel=settings.experts.parallel,
        worker=worker,
        log=log,
    )


def distill(
    settings: Settings[Any],
    dataset: Dataset | None = None,
    log: Log = print,
    *,
    typed: Mapping[str, str] | None = None,
    team: Team = ALONE,
) -> RunFolder:
    """Makes a set by the settings' method, in their folder; goes on where it stopped.

        run = mttjax.distill(settings)
        best = run.load("best")

    Args:
      settings: of any of the twelve methods.
      dataset: the real images, if they are loaded already; else the settings say where they are.
      log: called with lines of text.
      typed: command lines by the command's name, kept for the run's page; a program has none.
      team: the processes that make it together, of which the first writes.

    Returns:
      The run's folder, with the set ``last``; a method that learns leaves ``best`` too, the
      best on validation.

    Raises:
      InputError: no experts where the method needs them (the message says which command makes
        them), settings that do not fit each other, the data or the run in the folder, or another
        process at work there.
      Diverged, Stopped: see ``run_loop``.
    """
    if settings.method in SELECTIONS and team.count == 1:
        return _selected(prepare(settings, dataset, log), log, typed)
    (problem, method), plan = _assembled(settings, dataset, log, team), settings.distill
    schedule = Schedule(plan.steps, plan.evaluate_every, plan.save_every)
    folder, evaluate = RunFolder(settings.run_folder), _judge(problem, team)
    loop = partial(run_loop, method, schedule, seed=settings.seed, evaluate=evaluate, team=team)
    if team.number:
        loop(Follower(folder.path), log=log)
        return folder
    with exclusive(folder.path), tracking(settings, folder) as telling:
        folder.begin(problem.decisive(), log, typed)
        keep_beside(folder, problem.dataset, problem.store)
        keep = SetKeeper(problem, folder, _stored(method))

        def on_saved(kind, synthetic, step):
            distilled = keep(kind, synthetic, step)
            if kind == "last" and schedule.evaluates(step):
                telling.images(distilled, step)

        loop(folder, on_saved=on_saved, log=log)
    return folder


def _assembled(settings, dataset, log, team):
    """(problem, method), in all processes of the team or in none."""
    if team.count > 1 and settings.method not in MATCHING:
        raise InputError(
            f"method is {settings.method!r}: several processes share the trajectories of a step, "
            f"which only {' and '.join(MATCHING)} have; sets of others are shared out by table"
        )
    try:
        problem = prepare(settings, dataset, log)
        method = assemble(problem, team)
    except InputError as error:
        team.require_well(str(error), "")
        raise
    team.require_well(None, json.dumps([problem.decisive(), versions()], sort_keys=True))
    return problem, method


def _stored(method):
    """What a decoded set takes to store, as JSON values; nothing of others."""
    if method.decode.images is AS_LEARNED.images:
        return {}
    return {"stored_bytes": method.decode.stored_bytes(method.initial.synthetic)}


def _selected(problem, log, typed):
    """Selects real images, unless the set is there and whole."""
    settings, dataset = problem.settings, problem.dataset
    folder = RunFolder(settings.run_folder)
    with exclusive(folder.path), tracking(settings, folder) as telling:
        if folder.set_path("last").exists():
            folder.begin(problem.decisive(), log, typed)
            try:
                folder.load("last")
                log(f"selected already: {folder.path}")
                return folder
            except InputError as error:
                log(f"{error}; made again")
        chosen, by = select(problem, log)
        folder.begin(problem.decisive(), log, typed)
        keep_beside(folder, dataset, problem.store)
        images = np.asarray(problem.preprocessing(dataset.train.images[chosen]))
        labels = one_hot_labels(settings.ipc, dataset.n_classes)
        keep = SetKeeper(problem, folder)
        made = by | {"chosen": chosen.tolist()}
        distilled = keep.write("last", images, labels, settings.distill.lr, made)
        telling.forget_after(-1)
        telling.images(distilled, 0)
    return folder


def _judge(
    problem: Problem, team: Team
) -> Callable[[Synthetic, int], dict[str, Evaluation]] | None:
    """``evaluate`` of the loop; None without images to evaluate on, or networks."""
    settings, dataset = problem.settings, problem.dataset
    protocol = settings.distill.validation
    tests = {"validation": dataset.validation} if len(dataset.validation.labels) else {}
    if settings.distill.track_test:
        tests["test"] = dataset.test
    if not tests or protocol.networks == 0:
        return None
    # In the form of the final evaluation, whose programs it shares: not that of the students.
    network, preprocessing = problem.trained_network, problem.preprocessing
    evaluator = Evaluator(network, preprocessing, settings.ops, tests, protocol, team)

    def evaluate(synthetic, step):
        rate, title = mean_rate(synthetic), f"evaluating step {step}"
        return evaluator(synthetic.images, synthetic.labels, rate, seed=settings.seed, title=title)

    return evaluate


@dataclasses.dataclass(frozen=True)
class SetKeeper:
    """Writes the sets of a run, and their pictures beside them when they are new."""

    problem: Problem
    folder: RunFolder
    stored: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Goes into every set beside the run's settings."""

    def __call__(self, kind: str, synthetic: Synthetic, step: int) -> DistilledSet:
        """See ``run_loop``'s on_saved."""
        images, labels = np.asarray(synthetic.images), np.asarray(synthetic.labels)
        rates = np.exp(np.asarray(synthetic.log_lr, np.float64))
        made = {"step": step} | ({"rates": rates.tolist()} if rates.ndim else {})
        distilled = self.write(kind, images, labels, mean_rate(synthetic), made)
        if kind == "best" or step in (0, self.problem.settings.distill.steps):
            save_views(self.folder.grids, f"{kind}_{step:06d}", distilled)
        return distilled

    def write(
        self, kind: str, images: np.ndarray, labels: np.ndarray, lr: float, made: dict[str, Any]
    ) -> DistilledSet:
        """Writes the set called ``kind``; ``made`` goes beside the run's settings."""
        settings, dataset = self.problem.settings, self.problem.dataset
        distilled = DistilledSet(
            images=images,
            labels=labels,
            lr=lr,
            preprocessing=self.problem.preprocessing,
            ops=settings.ops,
            network=settings.network,
            dataset=dataset.name,
            class_names=dataset.class_names,
            seed=settings.seed,
            settings=self.problem.decisive() | made | self.stored,
            versions=versions(),
        )
        self.folder.save(kind, distilled)
        return distilled
