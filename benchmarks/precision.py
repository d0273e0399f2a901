"""How far the meta-gradient is from float64, in each precision of the network."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from mttjax.core.augmentation import dsa
from mttjax.core.networks import make_network
from mttjax.core.objectives import match_loss
from mttjax.core.unrolling import sample_batches
from mttjax.runs.assembling import initial_set
from mttjax.runs.problem import prepare

__all__ = ["gradient_errors"]

PRECISIONS = ("float32", "tensorfloat32", "bfloat16")


def gradient_errors(settings, dataset):
    """A Markdown table of the gradient on real images and a real pair of snapshots."""
    problem = prepare(settings, dataset)
    exact = flat_gradient(problem, "float64")
    norm = lambda x: (x @ x) ** 0.5
    text = (
        "The gradient of the loss by the images (initial real images, expert 0, epoch 0 to "
        f"{settings.distill.expert_epochs}, S = {settings.distill.student_steps}) against "
        "float64:\n\n| precision | cosine | relative error |\n|:--|--:|--:|\n"
    )
    for precision in PRECISIONS:
        gradient = flat_gradient(problem, precision)
        cosine = gradient @ exact / norm(gradient) / norm(exact)
        text += f"| {precision} | {cosine:.6f} | {norm(gradient - exact) / norm(exact):.2e} |\n"
    return text


def flat_gradient(problem, precision):
    """[N·H·W·C] float64, computed in ``precision``."""
    settings, network, distill = problem.settings, problem.network, problem.settings.distill
    if precision in PRECISIONS:
        spec = replace(network.spec, precision=precision)
        network = make_network(spec, network.image_shape, network.classes)
    pair = [problem.store.load(0, epoch, network.shapes) for epoch in (0, distill.expert_epochs)]
    numbers = jax.device_get((initial_set(problem), *pair))
    with jax.enable_x64(True):
        dtype = jnp.float64 if precision == "float64" else jnp.float32
        numbers = jax.tree.map(lambda x: jnp.asarray(x, dtype), numbers)
        n = len(numbers[0].images)
        function = partial(
            match_loss,
            apply=network.apply,
            batches=sample_batches(jax.random.key(0), n, distill.student_steps, distill.batch or n),
            augment=partial(dsa, ops=settings.ops) if settings.ops else None,
            key=jax.random.key(1),
        )
        gradient = jax.jit(jax.grad(lambda *args: function(*args)[0]))(*numbers)
        return jax.device_get(gradient.images).astype("float64").ravel()
