"""How far from a held-out expert's target: trained on the distilled set, and on real images.

Cazenavette et al., CVPR 2022, section 4.2: networks that begin where an expert, which the
distillation has never seen, was at epoch s, and the distance to where it was at epoch s + M.
"""

import dataclasses
import itertools
import math
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.augmentation import dsa
from mttjax.core.networks import make_network
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import cache_chunk, divisor_up_to
from mttjax.core.unrolling import sample_batches
from mttjax.experts.recipe import recipe_of
from mttjax.paper.figures.data import require_at_least, write_csv
from mttjax.paper.figures.distance_plot import plot_distances
from mttjax.paper.figures.held_out import require_fitting
from mttjax.system.errors import InputError
from mttjax.system.kept import kept
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_threads

__all__ = [
    "HEADERS",
    "Student",
    "Walks",
    "distances",
    "distilled_student",
    "draw_distance",
    "real_student",
]

HEADERS = ("data", "expert", "start", "target", "step", "distance")


@dataclasses.dataclass(frozen=True)
class Walks:
    """What is walked: every expert from every start, on either data."""

    held_out: tuple[int, ...]
    """Numbers of experts."""
    starts: tuple[int, ...]
    """s, epochs of the expert."""
    expert_epochs: int
    """M: the target is epoch s + M."""
    steps: int
    """Gradient steps on either data."""
    every: int
    """Steps between two distances, a divisor of ``steps``."""
    seed: int = 0
    """Decides the orders and augmentations."""

    def each(self):
        """(data, expert, start) of every walk."""
        kinds = ("distilled", "real")
        return list(itertools.product(kinds, sorted(set(self.held_out)), sorted(set(self.starts))))


class Student(NamedTuple):
    """Data to train on by plain SGD, and how."""

    data: Synthetic
    """images [n, H, W, C], labels [n, K], log_lr []."""
    advance: partial
    """``advance(data, params, target, batches=[k, B], key=...) -> (loss, MatchAux)``, compiled."""
    batch: int
    """B."""


def distilled_student(distilled, apply, batch, chunk):
    """Training on a set: at its own rate, with its own augmentation; B images a step."""
    data = Synthetic(distilled.images, distilled.labels, np.log(np.float32(distilled.lr)))
    augment = partial(dsa, ops=distilled.ops) if distilled.ops else None
    return _student(data, apply, augment, batch, chunk)


def real_student(dataset, recipe, preprocessing, apply, chunk):
    """Training as the experts were: images [n, H, W, C] uint8, normalised batch by batch.

    It differs from an expert's epoch in one thing: images that do not fill a last batch of a
    pass are left out.
    """
    labels = np.eye(dataset.n_classes, dtype=np.float32)[dataset.train.labels]
    data = Synthetic(dataset.train.images, labels, np.log(np.float32(recipe.lr)))
    augment = lambda key, x: dsa(key, preprocessing(x), ops=recipe.ops)
    return _student(data, apply, augment, recipe.batch, chunk)


def _student(data, apply, augment, batch, chunk):
    batch = min(batch, len(data.images))
    piece = divisor_up_to(batch, chunk)
    how = {"apply": apply, "augment": augment, "chunk": piece, "derivative": "plain"}
    return Student(jax.tree.map(jnp.asarray, data), jax.jit(partial(match_loss, **how)), batch)


def distances(student, start, target, key, *, steps, every, on_advance=lambda steps: None):
    """‖θ_t - θ*‖² / ‖θ_0 - θ*‖² along training: squared, as in ``match_loss``.

    Args:
      student: a ``Student``.
      start: θ_0, the network's parameters.
      target: θ*, the same structure.
      key: a JAX random key, decides order and augmentation.
      steps: how many; a multiple of ``every``.
      every: steps between two distances.
      on_advance: called with the number of steps just made.

    Returns:
      [1 + steps / every] floats, the first 1; not finite where training diverged.
    """
    order, key = jax.random.split(key)
    batches = sample_batches(order, len(student.data.images), steps, student.batch)
    params, scale, found = start, None, [1.0]
    for number, piece in enumerate(batches.reshape(-1, every, student.batch)):
        key_of_piece = jax.random.fold_in(key, number)
        _, aux = student.advance(student.data, params, target, batches=piece, key=key_of_piece)
        params = aux.params
        scale = aux.start_distance if scale is None else scale
        found.append(float(aux.distance / scale))
        on_advance(every)
    return found


def draw_distance(distilled, store, dataset, walks, folder, *, batch=None, log=print):
    """The distances of all walks, as data and plot; walks that are there are not made again.

    Args:
      distilled: a ``DistilledSet``.
      store: the ``ExpertStore`` with the experts of ``walks``.
      dataset: the ``Dataset`` of both.
      walks: a ``Walks``.
      folder: where to.
      batch: B of the distilled set; None: as in its distillation, or all images.
      log: called with a line per walk.

    Returns:
      The paths of ``distance.csv`` and ``distance.png``.

    Raises:
      InputError: numbers out of range; set, experts and images that do not belong together.
    """
    _check(walks, batch)
    require_fitting(distilled, store, dataset)
    folder, recipe = Path(folder), recipe_of(store)
    own = distilled.settings.get("distill", {})
    batch = batch or own.get("batch") or len(distilled.images)
    network = make_network(recipe.network, dataset.image_shape, dataset.n_classes)
    chunk = cache_chunk(dataset.image_shape, jax.default_backend()) if network.per_image else None
    students = {
        "distilled": distilled_student(distilled, network.apply, batch, chunk),
        "real": real_student(dataset, recipe, store.preprocessing, network.apply, chunk),
    }
    like = jax.eval_shape(network.init, jax.random.key(0))
    what = {"distilled": _content(distilled, batch), "real": store.manifest["recipe"]}
    with progress_bar("distances", len(walks.each()) * walks.steps) as bar:
        walk = partial(_walk, students, store, like, walks, folder, what, bar.advance, log)
        rows = [row for each in in_threads(walk, walks.each()) for row in each]
    write_csv(folder / "distance.csv", HEADERS, rows)
    plot_distances(folder / "distance.png", rows, dataset.name, own.get("student_steps"))
    return [folder / "distance.csv", folder / "distance.png"]


def _walk(students, store, like, walks, folder, what, on_advance, log, which):
    """The rows of one walk."""
    data, expert, start = which
    target = start + walks.expert_epochs

    def make():
        ends = (store.load(expert, epoch, like) for epoch in (start, target))
        key = jax.random.key(walks.seed)
        for number in (expert, start, int(data == "real")):
            key = jax.random.fold_in(key, number)
        how = {"steps": walks.steps, "every": walks.every, "on_advance": on_advance}
        found = distances(students[data], *ends, key, **how)
        log(f"{data}, expert {expert} from epoch {start}: lowest {np.nanmin(found):.3f}")
        return [d if math.isfinite(d) else None for d in found]

    decided = {"data": what[data], "experts": store.manifest["recipe"], "target": target}
    decided |= {name: getattr(walks, name) for name in ("steps", "every", "seed")}
    path = folder / "walks" / f"{data}-expert{expert}-start{start}.json"
    found = kept(path, decided, make)
    at = range(0, walks.steps + 1, walks.every)
    return [(data, expert, start, target, *point) for point in zip(at, found, strict=True)]


def _content(distilled, batch):
    """All of a set that decides how training on it goes."""
    sums = [zlib.crc32(np.ascontiguousarray(x)) for x in (distilled.images, distilled.labels)]
    return {"set": sums, "lr": distilled.lr, "ops": list(distilled.ops), "batch": batch}


def _check(walks, batch):
    numbers = {"steps": walks.steps, "every": walks.every, "expert_epochs": walks.expert_epochs}
    require_at_least(1, **numbers, **({} if batch is None else {"batch": batch}))
    require_at_least(0, starts=walks.starts, held_out=walks.held_out)
    if walks.steps % walks.every:
        raise InputError(f"--every {walks.every}: must divide --steps {walks.steps}")
