"""Sets that are decoded: where nothing is saved, a step is MTT's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mttjax.config.methods import MTT
from mttjax.core.decoding import AS_LEARNED, encode_dct, encode_tiles
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.synthetic import Synthetic, one_hot_labels
from mttjax.distilling.mtt import make_outer_step, matching_optimiser
from mttjax.distilling.step import initial_state


@pytest.mark.parametrize("form", ["tiles", "dct"])
def test_with_factor_1_a_step_is_that_of_pixels(form):
    """The transform is a rotation, and the SGD of all coefficients that of all pixels."""
    network = make_network(NetworkSpec(depth=1, width=6), (8, 8, 2), 3)
    images, labels = jax.random.normal(jax.random.key(0), (6, 8, 8, 2)), one_hot_labels(2, 3)
    learned, decode = encode_tiles(images, 1) if form == "tiles" else encode_dct(images, 3, 1)
    start = jax.tree.map(lambda x: x[None], network.init(jax.random.key(2)))
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    settings, after = MTT(student_steps=3, lr_img=100.0, lr=0.05), []
    for first, how in ((images, AS_LEARNED), (learned, decode)):
        synthetic = Synthetic(first, jnp.asarray(labels), jnp.log(jnp.float32(0.05)))
        state = initial_state(synthetic, matching_optimiser(settings))
        step = jax.jit(make_outer_step(network.apply, None, settings, 6, decode=how))
        for index in range(2):  # the second with momentum
            state, _ = step(state, (start, target), jax.random.fold_in(jax.random.key(3), index))
        after.append(how(state.synthetic).images)
    assert float(jnp.max(jnp.abs(after[0] - images))) > 0.05
    np.testing.assert_allclose(after[1], after[0], atol=1e-5)
