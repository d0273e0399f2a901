"""How far from a held-out expert's target: trained on the distilled set, and on real images.

Cazenavette et al., CVPR 2022, section 4.2: networks that begin where an expert, which the
distillation has never seen, was at epoch s, and the distance to where it was at epoch s + M.
"""

import dataclasses
import math
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.config.recipe import Recipe
from mttjax.core.augmentation import dsa
from mttjax.core.networks import make_network
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.preprocessing import Preprocessing
from mttjax.core.synthetic import Synthetic
from mttjax.core.training import divisor_up_to, fitting_chunk
from mttjax.core.types import Apply, Params
from mttjax.core.unrolling import sample_batches
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.experts.store import ExpertStore
from mttjax.paper.csv_file import write_csv
from mttjax.paper.figures.distance_plot import plot_distances
from mttjax.paper.figures.held_out import as_distilled, require_fitting, whole_at
from mttjax.paper.figures.plans import KINDS, Walks
from mttjax.system import seeds
from mttjax.system.files import remove_leftovers
from mttjax.system.kept import kept
from mttjax.system.progress import progress_bar
from mttjax.system.threads import in_threads

__all__ = ["Student", "distances", "distilled_student", "draw_distance", "real_student"]

HEADERS = ("data", "expert", "start", "target", "step", "distance")


class Student(NamedTuple):
    """Data to train on by plain SGD, and how."""

    data: Synthetic
    """images [n, H, W, C], labels [n, K], log_lr []."""
    advance: Callable[..., tuple[jax.Array, Any]]
    """``advance(data, params, target, batches=[k, B], key=...) -> (loss, MatchAux)``, compiled."""
    batch: int
    """B."""


def distilled_student(
    distilled: DistilledSet, apply: Apply, batch: int | None, chunk: int | None
) -> Student:
    """Training on a set: at its own rate, with its own augmentation; B images a step, or all."""
    augment = partial(dsa, ops=distilled.ops) if distilled.ops else None
    return _student(distilled.images, distilled.labels, distilled.lr, apply, augment, batch, chunk)


def real_student(
    dataset: Dataset, recipe: Recipe, preprocessing: Preprocessing, apply: Apply, chunk: int | None
) -> Student:
    """Training as the experts were: images [n, H, W, C] uint8, normalised batch by batch.

    It differs from an expert's epoch in one thing: images that do not fill a last batch of a
    pass are left out.
    """
    images, labels = dataset.train
    hot = np.eye(dataset.n_classes, dtype=np.float32)[labels]
    augment = lambda key, x: dsa(key, preprocessing(x), ops=recipe.ops)
    return _student(images, hot, recipe.lr, apply, augment, recipe.batch, chunk)


def _student(images, labels, lr, apply, augment, batch, chunk):
    data = Synthetic(*map(jnp.asarray, (images, labels, np.log(np.float32(lr)))))
    batch = min(batch or len(images), len(images))
    piece = divisor_up_to(batch, chunk)
    how = {"apply": apply, "augment": augment, "chunk": piece, "derivative": "plain"}
    return Student(data, jax.jit(partial(match_loss, **how)), batch)


def distances(
    student: Student,
    start: Params,
    target: Params,
    key: jax.Array,
    *,
    steps: int,
    every: int,
    on_advance: Callable[[int], object] = lambda steps: None,
) -> list[float]:
    """‖θ_t - θ*‖² / ‖θ_0 - θ*‖² along training: squared, as in ``match_loss``.

    Args:
      student: the data, and how it is trained on.
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
    params, scale, passed = start, None, [1.0]
    for number, piece in enumerate(batches.reshape(-1, every, student.batch)):
        key_of_piece = jax.random.fold_in(key, number)
        _, aux = student.advance(student.data, params, target, batches=piece, key=key_of_piece)
        params = aux.params
        scale = aux.start_distance if scale is None else scale
        passed.append(float(aux.distance / scale))
        on_advance(every)
    return passed


def draw_distance(
    distilled: DistilledSet,
    store: ExpertStore,
    dataset: Dataset,
    walks: Walks,
    folder: str | Path,
    *,
    log: Callable[[str], object] = print,
) -> list[Path]:
    """The distances of all walks, as data and plot; walks that are there are not made again.

    Args:
      distilled: the set.
      store: with the experts of ``walks``.
      dataset: the real images of both.
      walks: what is walked.
      folder: where to.
      log: called with a line per walk.

    Returns:
      The paths of ``distance.csv`` and ``distance.png``.

    Raises:
      InputError: set, experts and images that do not belong together, or M is not known.
    """
    require_fitting(distilled, store, dataset)
    folder, recipe, walks = Path(folder), store.recipe, as_distilled(walks, distilled)
    remove_leftovers(folder)
    sizes = dataset.image_shape, dataset.n_classes
    network = make_network(recipe.network, *sizes, tile=recipe.tile)
    chunk = fitting_chunk(network)
    student = distilled_student(distilled, network.apply, walks.batch, chunk)
    real = real_student(dataset, recipe, store.preprocessing, network.apply, chunk)
    students = {"distilled": student, "real": real}
    experts = dataclasses.asdict(recipe) | {"made": store.made["created"]}
    decided = {"distilled": experts | _content(distilled, student.batch), "real": experts}
    load = partial(store.load, like=network.shapes)
    with progress_bar("distances", len(walks.all()) * walks.steps) as bar:
        walk = partial(_walk, students, load, walks, folder / "walks", decided, bar.advance, log)
        rows = [row for rows in in_threads(walk, walks.all()) for row in rows]
    write_csv(folder / "distance.csv", HEADERS, rows)
    student_steps = whole_at(distilled.settings, "distill", "student_steps")
    plot_distances(folder / "distance.png", rows, dataset.name, student_steps)
    return [folder / "distance.csv", folder / "distance.png"]


def _walk(students, load, walks, folder, decided, on_advance, log, which):
    """The rows of one walk."""
    data, expert, start = which
    target = walks.target(start)
    how = {"steps": walks.steps, "every": walks.every}

    def make():
        key = seeds.key("distance", walks.seed, expert, start, KINDS.index(data))
        ends = (load(expert, start), load(expert, target))
        passed = distances(students[data], *ends, key, **how, on_advance=on_advance)
        log(f"{data}, expert {expert} from epoch {start}: lowest {np.nanmin(passed):.3f}")
        return [d if math.isfinite(d) else None for d in passed]

    path = folder / f"{data}-expert{expert}-start{start}.json"
    of = {"data": decided[data], "target": target, "seed": walks.seed} | how
    passed = kept(path, of, make, log)["result"]
    at = range(0, walks.steps + 1, walks.every)
    return [(data, expert, start, target, *point) for point in zip(at, passed, strict=True)]


def _content(distilled, batch):
    """All of a set that decides how training on it goes."""
    sums = [zlib.crc32(np.ascontiguousarray(x)) for x in (distilled.images, distilled.labels)]
    return {"set": sums, "set_lr": distilled.lr, "set_ops": list(distilled.ops), "B": batch}
