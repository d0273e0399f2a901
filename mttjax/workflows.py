"""What the commands do, as functions of the settings: train experts, distil, evaluate."""

import dataclasses
from functools import partial

import jax
import numpy as np

from mttjax.augmentation import dsa
from mttjax.config import Settings
from mttjax.datasets import load_dataset
from mttjax.distilled import DistilledSet, save_distilled
from mttjax.distilling import Schedule, distill
from mttjax.errors import InputError
from mttjax.evaluating import Evaluator, Protocol
from mttjax.expert_store import ExpertStore, versions
from mttjax.experts import recipe_record, train_experts
from mttjax.networks import in_bfloat16, make_network
from mttjax.pairs import PairSource
from mttjax.reporting import save_views
from mttjax.run_folder import RunFolder
from mttjax.synthetic import initial_images, one_hot_labels, to_device
from mttjax.training import cache_chunk, divisor_up_to

__all__ = ["load_data", "run_distill", "run_experts"]


EXTENDABLE = (
    "distill.steps",
    "distill.save_every",
    "experts.epochs",
    *(f"evaluate.{field.name}" for field in dataclasses.fields(Protocol)),
)
"""Settings of a run that may change when it goes on."""

AT_LEAST_ONE = (
    "student_steps",
    "expert_epochs",
    "max_start",
    "steps",
    "save_every",
    "trajectories",
)


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
        seed=settings.seed,
    )


def run_experts(settings: Settings, dataset=None, log=print):
    """Trains the experts of the settings; returns their ``ExpertStore``."""
    return train_experts(
        dataset or load_data(settings),
        settings.recipe(),
        settings.expert_folder,
        experts=settings.experts.count,
        epochs=settings.expert_epochs,
        parallel=settings.experts.parallel,
        log=log,
    )


def run_distill(settings: Settings, dataset=None, log=print):
    """Distils; returns the run's folder, with ``last.npz`` and ``best.npz`` in it.

    Raises:
      InputError: no experts are there (the message says which command makes them), or
        the settings do not fit each other, the data, or the run in the folder.
      Diverged, Stopped: see ``distill``.
    """
    _check_batch(settings)
    store = _experts_for(settings)
    dataset = dataset or load_data(settings)
    store.require(recipe_record(settings.recipe(), dataset))
    folder = RunFolder(settings.run_folder, settings.record(), EXTENDABLE)
    network, like = _network(settings, dataset)
    matching = settings.distill.matching()
    synthetic = _initial(settings, dataset, store.preprocessing)
    distill(
        synthetic,
        _pairs(settings, store, like),
        apply=_student(settings, network),
        augment=partial(dsa, ops=settings.ops) if settings.ops else None,
        matching=matching,
        schedule=Schedule(
            settings.distill.steps, settings.distill.evaluate_every, settings.distill.save_every
        ),
        folder=folder,
        seed=settings.seed,
        chunk=_chunk(settings, synthetic),
        evaluate=_validator(settings, dataset, network, store.preprocessing),
        on_saved=partial(_keep, settings, dataset, store.preprocessing, folder.path),
        log=log,
    )
    return folder.path


def _check_batch(settings):
    n_per_class, batch = settings.ipc, settings.distill.batch
    if n_per_class < 1:
        raise InputError(f"--ipc {n_per_class}: at least 1 image per class is needed")
    if batch is not None and batch < 1:
        raise InputError(f"--distill.batch {batch}: at least 1 image, or none given for all")
    for name in AT_LEAST_ONE:
        value = getattr(settings.distill, name)
        if value < 1:
            flag = name.replace("_", "-")
            raise InputError(f"--distill.{flag} {value}: must be at least 1")


def _experts_for(settings):
    store = ExpertStore(settings.expert_folder)
    if store.experts_with(settings.epochs_needed):
        return store
    raise InputError(
        f"{settings.expert_folder}: no experts there have the {settings.epochs_needed} epochs "
        f"that are read. Train them with: bin/train_experts --config {settings.name} "
        f"--ipc {settings.ipc}"
    )


def _network(settings, dataset):
    shape, classes = dataset.train.images.shape[1:], len(dataset.class_names)
    network = make_network(settings.network, shape, classes)
    return network, jax.eval_shape(network.init, jax.random.key(0))


def _student(settings, network):
    short = settings.distill.precision == "bfloat16"
    return in_bfloat16(network.apply) if short else network.apply


def _chunk(settings, synthetic):
    """How many images of a minibatch are computed at once."""
    n, *shape = synthetic.images.shape
    batch, chunk = settings.distill.batch or n, settings.distill.chunk
    if chunk is None:
        return divisor_up_to(batch, cache_chunk(shape, jax.default_backend()))
    if chunk < 1 or batch % chunk:
        raise InputError(f"--distill.chunk {chunk}: must divide the minibatch of {batch} images")
    return chunk


def _pairs(settings, store, like):
    return PairSource(
        store,
        like,
        expert_epochs=settings.distill.expert_epochs,
        max_start=settings.distill.max_start,
        experts=settings.experts.count,
        seed=settings.seed,
        count=settings.distill.trajectories,
    )


def _initial(settings, dataset, preprocessing):
    """The synthetic set before the first step, decided by the seed and ipc."""
    images, labels = dataset.train
    classes = len(dataset.class_names)
    rng = np.random.default_rng([settings.seed, settings.ipc])
    initial = settings.distill.initial
    first = initial_images(rng, settings.ipc, images, labels, classes, kind=initial)
    first = preprocessing(images[first]) if initial == "real" else first
    return to_device(first, one_hot_labels(settings.ipc, classes), settings.distill.lr)


def _validator(settings, dataset, network, preprocessing):
    """``evaluate(synthetic, step)`` of the loop, or None where there is no validation split."""
    if not len(dataset.validation.labels):
        return None
    tests = {"validation": dataset.validation}
    if settings.distill.track_test:
        tests["test"] = dataset.test
    protocol = settings.distill.validation
    evaluator = Evaluator(network, preprocessing, settings.ops, tests, protocol)

    def evaluate(synthetic, step):
        lr = np.exp(np.float32(synthetic.log_lr))
        title = f"evaluating step {step}"
        return evaluator(synthetic.images, synthetic.labels, lr, seed=settings.seed, title=title)

    return evaluate


def _keep(settings, dataset, preprocessing, folder, kind, synthetic, step):
    """Writes a set, and its pictures beside it when it is new."""
    distilled = DistilledSet(
        images=np.asarray(synthetic.images),
        labels=np.asarray(synthetic.labels),
        lr=float(np.exp(np.float64(synthetic.log_lr))),
        preprocessing=preprocessing,
        ops=settings.ops,
        network=settings.network,
        dataset=dataset.name,
        class_names=dataset.class_names,
        seed=settings.seed,
        settings=settings.record() | {"method": "mtt", "step": step},
        versions=versions(),
    )
    save_distilled(folder / f"{kind}.npz", distilled)
    if kind == "best" or step in (0, settings.distill.steps):
        save_views(folder / "grids", f"{kind}_{step:06d}", distilled)
