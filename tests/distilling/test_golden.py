"""What version 0.3 gave: three orders of derivative, six augmentations, momentum, the rate."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.config.methods import MTT
from mttjax.core.augmentation import OPERATIONS, dsa
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.synthetic import Synthetic
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state

LOSSES = (
    1.02525604,
    1.01159251,
    0.9968555,
    0.98286939,
    0.98102522,
    0.9813183,
    0.9618957,
    0.95080465,
)
RATES = (0.05, 0.04934732, 0.04859562, 0.04812971, 0.04800739, 0.04814006, 0.04836092, 0.04896005)
IMAGES = 1293.7076  # the sum of the absolute values after eight steps


def test_eight_steps_of_mtt_give_the_numbers_of_version_0_3():
    """Recorded at 4bff17e from the same arguments; no stream of the seed is involved."""
    settings = MTT(student_steps=6, batch=4, lr_img=50.0, lr_lr=1e-3, lr_lr_in="alpha", lr=0.05)
    network = make_network(NetworkSpec(depth=2, width=8), (8, 8, 3), 4)
    keys = jax.random.split(jax.random.key(0), 3)
    start = jax.tree.map(lambda x: x[None], network.init(keys[0]))
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    images, labels = jax.random.normal(keys[1], (8, 8, 8, 3)), jax.nn.one_hot(jnp.arange(8) // 2, 4)
    synthetic = Synthetic(images, labels, jnp.log(jnp.float32(0.05)))
    augment = partial(dsa, ops=tuple(OPERATIONS))
    step = jax.jit(make_outer_step(network.apply, augment, settings, n=8, chunk=2))
    state, records = initial_state(synthetic, matching_optimiser(settings)), []
    for index in range(8):
        state, record = step(state, (start, target), jax.random.fold_in(keys[2], index))
        records.append((float(record.loss), float(record.lr)))
    losses, rates = np.transpose(records)
    np.testing.assert_allclose(losses, LOSSES, atol=1e-6)
    np.testing.assert_allclose(rates, RATES, atol=1e-6)
    np.testing.assert_allclose(jnp.sum(jnp.abs(state.synthetic.images)), IMAGES, rtol=1e-6)
