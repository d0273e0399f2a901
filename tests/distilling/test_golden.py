"""What version 0.3 gave: every order of derivative, six augmentations, momentum, the rate."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.config.methods import MTT
from mttjax.config.recipe import DSA_OPS
from mttjax.core.augmentation import dsa
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.synthetic import Synthetic
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state

# (loss, α) of eight steps, and the sum of the absolute values of the images after them.
STEPS = (
    (1.005901954652, 0.05),
    (1.00066101492, 0.049710309527),
    (0.994024479382, 0.04925903791),
    (0.980898108824, 0.048906116051),
    (0.969572319183, 0.048778821038),
    (0.959394700776, 0.048955975248),
    (0.958768896941, 0.049591983618),
    (0.951127976183, 0.050378387758),
)
IMAGES = 1273.7372385185765


def test_eight_steps_of_mtt_give_the_numbers_of_version_0_3(x64):
    """Recorded at 4bff17e from the same arguments; no stream of the seed is involved."""
    settings = MTT(student_steps=6, batch=4, lr_img=50.0, lr_lr=1e-3, lr_lr_in="alpha", lr=0.05)
    network = make_network(NetworkSpec(depth=2, width=8), (8, 8, 3), 4)
    keys = jax.random.split(jax.random.key(0), 3)
    start = jax.tree.map(lambda x: x.astype(jnp.float64)[None], network.init(keys[0]))
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    images = jax.random.normal(keys[1], (8, 8, 8, 3))
    labels = jax.nn.one_hot(jnp.arange(8) // 2, 4, dtype=jnp.float64)
    synthetic = Synthetic(images, labels, jnp.log(jnp.float64(0.05)))
    augment = partial(dsa, ops=DSA_OPS)
    step = jax.jit(make_outer_step(network.apply, augment, settings, n=8, chunk=2))
    state, records = initial_state(synthetic, matching_optimiser(settings)), []
    for index in range(8):
        state, record = step(state, (start, target), jax.random.fold_in(keys[2], index))
        records.append((float(record.loss), float(record.lr)))
    np.testing.assert_allclose(records, STEPS, rtol=1e-6)
    np.testing.assert_allclose(jnp.sum(jnp.abs(state.synthetic.images)), IMAGES, rtol=1e-6)
