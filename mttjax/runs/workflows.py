"""What the commands do, as functions of the settings: train experts, distil, select."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from mttjax.config.checks import check_settings, require_room
from mttjax.config.methods import SELECTIONS
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Settings
from mttjax.core.networks import make_network
from mttjax.core.preprocessing import fit_preprocessing
from mttjax.core.synthetic import mean_rate, one_hot_labels
from mttjax.datasets import load_dataset
from mttjax.distilled import DistilledSet, load_distilled, save_distilled
from mttjax.distilling.loop import Schedule, distill
from mttjax.evaluation.evaluator import Evaluator
from mttjax.experts.recipe import recipe_record
from mttjax.experts.store import ExpertStore
from mttjax.experts.training import train_experts
from mttjax.reporting import save_views
from mttjax.runs.assembling import assemble
from mttjax.runs.folder import RunFolder
from mttjax.runs.selecting import select
from mttjax.system.errors import InputError
from mttjax.system.locks import exclusive
from mttjax.system.provenance import versions

__all__ = ["load_data", "preprocessing_of", "run_distill", "run_experts", "run_selection"]


EXTENDABLE = (
    "distill.steps",
    "distill.fallbacks",
    "experts.epochs",
    *(f"evaluate.{field.name}" for field in dataclasses.fields(Protocol)),
)
"""Settings of a run that may change when it goes on; ``distill.save_every`` too without fallbacks,
which go back to a save."""


def load_data(settings: Settings):
    """The real images of the settings."""
    data = settings.data
    return load_dataset(
        data.dataset,
        folder=data.dir,
        download=data.download,
        resolution=data.resolution,
        classes=data.classes,
        validation=data.validation,
        seed=settings.split_seed,
    )


def run_experts(settings: Settings, dataset=None, log=print):
    """Trains the experts of the settings; returns their ``ExpertStore``.

    Raises:
      InputError: settings out of range, or that do not fit the data or the store.
    """
    check_settings(settings)
    dataset = dataset or load_data(settings)
    require_room(settings, dataset.image_shape, dataset.n_classes)
    return train_experts(
        dataset,
        settings.recipe(),
        settings.expert_folder,
        experts=settings.experts.count,
        epochs=settings.expert_epochs,
        parallel=settings.experts.parallel,
        log=log,
    )


def run_distill(settings: Settings, dataset=None, log=print):
    """Makes a set by the settings' method; returns the run's folder, with ``last.npz`` in it.

    A method that learns leaves ``best.npz`` too, and goes on where it was stopped.

    Raises:
      InputError: MTT finds no experts (the message says which command makes them), or
        the settings do not fit each other, the data, or the run in the folder.
      InputError: another process is at work in the run's folder.
      Diverged, Stopped: see ``distill``.
    """
    check_settings(settings)
    if settings.method in SELECTIONS:
        return run_selection(settings, dataset, log)
    store = _experts_for(settings) if settings.method == "mtt" else None
    dataset = dataset or load_data(settings)
    require_room(settings, dataset.image_shape, dataset.n_classes)
    if store:
        store.require(recipe_record(settings.recipe(), dataset))
    preprocessing = store.preprocessing if store else preprocessing_of(settings, dataset)
    network = make_network(settings.network, dataset.image_shape, dataset.n_classes)
    method = assemble(settings, dataset, network, preprocessing, store)
    plan = settings.distill
    with exclusive(settings.run_folder):
        folder = _run_folder(settings, log)
        distill(
            method,
            schedule=Schedule(plan.steps, plan.evaluate_every, plan.save_every, plan.fallbacks),
            folder=folder,
            seed=settings.seed,
            evaluate=_validator(settings, dataset, network, preprocessing),
            on_saved=_Keeper(settings, dataset, preprocessing, folder.path),
            log=log,
        )
    return folder.path


def _run_folder(settings, log):
    extendable = EXTENDABLE
    if not getattr(settings.distill, "fallbacks", 0):
        extendable += ("distill.save_every",)
    return RunFolder(settings.run_folder, settings.record(), extendable, log)


def run_selection(settings: Settings, dataset=None, log=print):
    """Selects real images by the settings' method; returns the folder, with ``last.npz``.

    Raises:
      InputError: no expert whose features or training the method could look at.
    """
    check_settings(settings)
    dataset = dataset or load_data(settings)
    require_room(settings, dataset.image_shape, dataset.n_classes)
    if _selected_already(settings, log):
        return settings.run_folder
    preprocessing = preprocessing_of(settings, dataset)
    chosen = select(settings, dataset, log)
    images = np.asarray(preprocessing(dataset.train.images[chosen]))
    labels = one_hot_labels(settings.ipc, dataset.n_classes)
    with exclusive(settings.run_folder):
        folder = _run_folder(settings, log)
        keep = _Keeper(settings, dataset, preprocessing, folder.path)
        keep.write("last", images, labels, settings.distill.lr, {"chosen": chosen.tolist()})
    return folder.path


def _selected_already(settings, log):
    """Whether the set is there, whole and of these settings; a damaged one is made again."""
    path = settings.run_folder / "last.npz"
    if not path.exists():
        return False
    with exclusive(settings.run_folder):
        _run_folder(settings, log)
    try:
        load_distilled(path)
    except InputError as error:
        log(f"{error}; made again")
        return False
    log(f"selected already: {path}")
    return True


def preprocessing_of(settings, dataset):
    """That of the experts where there are some of this recipe, else fitted anew."""
    store = ExpertStore(settings.expert_folder)
    if store.manifest is not None:
        store.require(recipe_record(settings.recipe(), dataset))
        return store.preprocessing
    images = np.ascontiguousarray(dataset.train.images)
    known = settings.data.statistics or dataset.name
    return fit_preprocessing(settings.preprocessing, images, dataset=known)


def _experts_for(settings):
    store = ExpertStore(settings.expert_folder)
    if store.experts_with(settings.distill.epochs_needed):
        return store
    raise InputError(
        f"{settings.expert_folder}: no experts there have the {settings.distill.epochs_needed} "
        f"epochs that are read. Train them with: bin/train_experts --config {settings.name} "
        f"--ipc {settings.ipc}"
    )


def _validator(settings, dataset, network, preprocessing):
    """``evaluate(synthetic, step)`` of the loop; None without validation images or networks."""
    if not len(dataset.validation.labels) or settings.distill.validation.networks == 0:
        return None
    tests = {"validation": dataset.validation}
    if settings.distill.track_test:
        tests["test"] = dataset.test
    protocol = settings.distill.validation
    evaluator = Evaluator(network, preprocessing, settings.ops, tests, protocol)

    def evaluate(synthetic, step):
        rate, title = jnp.float32(mean_rate(synthetic)), f"evaluating step {step}"
        return evaluator(synthetic.images, synthetic.labels, rate, seed=settings.seed, title=title)

    return evaluate


class _Keeper:
    """Writes the sets of a run, and their pictures beside them when they are new."""

    def __init__(self, settings, dataset, preprocessing, folder):
        self.settings, self.dataset = settings, dataset
        self.preprocessing, self.folder = preprocessing, folder

    def __call__(self, kind, synthetic, step):
        """See ``distill``'s on_saved."""
        images, labels = np.asarray(synthetic.images), np.asarray(synthetic.labels)
        rates = np.exp(np.asarray(synthetic.log_lr, np.float64))
        own = {"step": step} | ({"rates": rates.tolist()} if rates.ndim else {})
        distilled = self.write(kind, images, labels, mean_rate(synthetic), own)
        if kind == "best" or step in (0, self.settings.distill.steps):
            save_views(self.folder / "grids", f"{kind}_{step:06d}", distilled)

    def write(self, kind, images, labels, lr, own):
        """Writes ``<kind>.npz``; ``own`` goes beside the run's settings."""
        settings = self.settings
        distilled = DistilledSet(
            images=images,
            labels=labels,
            lr=lr,
            preprocessing=self.preprocessing,
            ops=settings.ops,
            network=settings.network,
            dataset=self.dataset.name,
            class_names=self.dataset.class_names,
            seed=settings.seed,
            settings=settings.record() | own,
            versions=versions(),
        )
        save_distilled(self.folder / f"{kind}.npz", distilled)
        return distilled
