"""DD's sets used as DD uses them: their own steps, in their order, at their own rates."""

import jax
import numpy as np

from mttjax.core.networks import make_network
from mttjax.core.objectives.meta import class_by_class
from mttjax.core.synthetic import make_synthetic
from mttjax.core.testing import make_test
from mttjax.core.training import TRAINING_TILE, fitting_tile
from mttjax.core.unrolling import unroll
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.evaluation.scorer import require_same_data
from mttjax.evaluation.testing import Evaluation, on_device, tested_at_once
from mttjax.system import seeds
from mttjax.system.errors import InputError
from mttjax.system.progress import progress_bar
from mttjax.system.text import shown
from mttjax.system.threads import at_once, in_threads

__all__ = ["evaluate_own_way"]


def evaluate_own_way(
    distilled: DistilledSet,
    dataset: Dataset,
    *,
    networks: int,
    seed: int = 0,
    title: str = "own way",
) -> Evaluation | None:
    """Test accuracies after the S steps that a set of DD was made for, and no more.

    Wang et al., "Dataset Distillation", 2018: fresh networks take plain gradient steps on one
    image of every class at a time, in a fixed order, each step at its own learned rate, without
    augmentation. The paper does so with 200 networks.

    Args:
      distilled: the set.
      dataset: its real images; the whole test set is tested on.
      networks: how many; those that ``evaluate`` begins with.
      seed: decides the networks.
      title: for the progress bar.

    Returns:
      None for a set of another method, whose steps have no rates of their own.

    Raises:
      InputError: the set is not of this dataset, or its rates do not fit its images.
    """
    if "rates" not in distilled.settings:
        return None
    require_same_data(distilled, dataset)
    synthetic, passes = _synthetic(distilled)
    sizes, tile = (dataset.image_shape, dataset.n_classes), fitting_tile(TRAINING_TILE)
    network = make_network(distilled.network, *sizes, tile=tile)
    chunk = tested_at_once(network)
    test = make_test(network.apply, network.classes, chunk)
    data = (distilled.preprocessing, *on_device(dataset.test, network, chunk))
    batches = class_by_class(distilled.ipc, dataset.n_classes, passes)

    @jax.jit
    def correct(key, synthetic, data):
        start = network.init(jax.random.fold_in(key, 0))
        params, _ = unroll(synthetic, start, apply=network.apply, batches=batches)
        return test(params, *data)

    def run(key):
        found = jax.block_until_ready(correct(key, synthetic, data))
        bar.advance(1)
        return found

    with progress_bar(title, networks) as bar:
        keys = jax.random.split(seeds.key("evaluation", seed), networks)
        found = in_threads(run, keys, workers=at_once(), devices=jax.local_devices())
    return Evaluation.of(np.stack(found), labels=dataset.test.labels)


def _synthetic(distilled):
    """(``Synthetic`` with the rate of every step, how often its images are gone through)."""
    rates, ipc, labels = distilled.settings["rates"], distilled.ipc, distilled.labels
    in_order = np.repeat(np.arange(labels.shape[1]), ipc)
    fits = isinstance(rates, list) and rates and ipc and len(rates) % ipc == 0
    if not fits or not np.array_equal(distilled.classes, in_order):
        raise InputError(
            f"the distilled set's settings['rates'] are {shown(rates)}: expected a rate for every "
            f"step, so many times {ipc} of them, and images class by class; it is not a set that "
            "distill wrote"
        )
    try:
        return make_synthetic(distilled.images, labels, rates), len(rates) // ipc
    except (TypeError, ValueError) as error:
        raise InputError(f"the distilled set's settings['rates']: {error}") from error
