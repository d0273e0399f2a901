"""How far the meta-gradient is from float64: in float32, and with a bfloat16 student."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.augmentation import dsa
from mttjax.core.networks import in_bfloat16, make_network
from mttjax.core.objectives import match_loss
from mttjax.core.selection import random_selection
from mttjax.core.synthetic import Synthetic, one_hot_labels
from mttjax.core.unrolling import sample_batches
from mttjax.experts.store import ExpertStore

__all__ = ["gradient_errors"]


def gradient_errors(settings, dataset):
    """A Markdown table of the gradient on real images and a real pair of snapshots."""
    exact = flat_gradient(settings, dataset, "float64")
    text = (
        "The gradient of the loss by the images (initial real images, expert 0, epoch 0 to "
        f"{settings.distill.expert_epochs}, S = {settings.distill.student_steps}) against "
        "float64:\n\n| precision | cosine | relative error |\n|:--|--:|--:|\n"
    )
    for precision in ("float32", "bfloat16"):
        gradient = flat_gradient(settings, dataset, precision)
        cosine = gradient @ exact / norm(gradient) / norm(exact)
        text += f"| {precision} | {cosine:.6f} | {norm(gradient - exact) / norm(exact):.2e} |\n"
    return text


def norm(x):
    return (x @ x) ** 0.5


def flat_gradient(settings, dataset, precision):
    network, *numbers = problem(settings, dataset)
    with jax.enable_x64(True):
        dtype = jnp.float64 if precision == "float64" else jnp.float32
        synthetic, (start, target) = jax.tree.map(lambda x: jnp.asarray(x, dtype), numbers)
        apply = in_bfloat16(network.apply) if precision == "bfloat16" else network.apply
        n, distill = len(synthetic.images), settings.distill
        function = partial(
            match_loss,
            apply=apply,
            batches=sample_batches(jax.random.key(0), n, distill.student_steps, distill.batch or n),
            augment=partial(dsa, ops=settings.ops) if settings.ops else None,
            key=jax.random.key(1),
        )
        gradient = jax.jit(jax.grad(lambda *args: function(*args)[0]))(synthetic, start, target)
        return jax.device_get(gradient.images).astype("float64").ravel()


def problem(settings, dataset):
    images, labels = dataset.train
    classes = len(dataset.class_names)
    store = ExpertStore(settings.expert_folder)
    network = make_network(settings.network, images.shape[1:], classes)
    like = jax.eval_shape(network.init, jax.random.key(0))
    pair = [store.load(0, epoch, like) for epoch in (0, settings.distill.expert_epochs)]
    chosen = random_selection(np.random.default_rng(0), labels, ipc=settings.ipc, classes=classes)
    synthetic = Synthetic(
        store.preprocessing(images[chosen]),
        one_hot_labels(settings.ipc, classes),
        np.log(settings.distill.lr),
    )
    return network, synthetic, pair
