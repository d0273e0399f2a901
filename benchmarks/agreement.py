"""Whether both sides compute the same loss and gradient, in float64 and a small network.

The minibatches and augmentations of the PyTorch side are those that mttjax draws.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.pytorch import distilling
from benchmarks.pytorch.network import ConvNet, params_from_jax
from benchmarks.pytorch.same_draws import make_augment, replay
from mttjax.core.augmentation import dsa
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives.trajectory import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches

__all__ = ["make"]

N, K, STEPS, BATCH, SHAPE = 6, 3, 3, 4, (16, 16, 3)
TOLERANCE, TOLERANCE_DSA = 1e-8, 1e-6


def make(_kind, work, _options):
    """``work`` has ``ops`` of DSA, and from how many ``seeds`` they are drawn."""
    return partial(agreement, **work)


def agreement(ops, seeds):
    """A line per case: the largest differences, relative to the largest number there is."""
    with jax.enable_x64(True):
        return {"cases": [case(), case(tuple(ops), seeds)]}


def case(ops=(), seeds=1):
    spec = NetworkSpec(depth=2, width=8)
    network, torch_network = make_network(spec, SHAPE, K), ConvNet(SHAPE, K, depth=2, width=8)
    ours = by_jax(network.apply, ops)
    differences, seen = {}, set()
    for seed in range(seeds):
        problem = problem_of(network, seed)
        theirs = by_torch(torch_network, ops, *problem)
        for name, value in ours(*problem).items():
            found = relative(value, theirs[name])
            differences[name] = max(found, differences.get(name, 0.0))
        if ops:
            keys = [jax.random.fold_in(problem[-1], step) for step in range(STEPS)]
            seen |= {replay(key, ops, BATCH, *SHAPE[:2], np.float64)[0] for key in keys}
    title = "DSA: " + " ".join(op for op in ops if op in seen) if ops else "no augmentation"
    return {
        "case": title,
        "tolerance": TOLERANCE_DSA if ops else TOLERANCE,
        "differences": differences,
    }


def problem_of(network, seed):
    """(synthetic, start, target, batches, key of the augmentation)."""
    keys = jax.random.split(jax.random.key(seed), 6)
    images = jax.random.normal(keys[0], (N, *SHAPE), jnp.float64)
    labels = jax.nn.softmax(jax.random.normal(keys[1], (N, K), jnp.float64))
    double = lambda tree: jax.tree.map(lambda x: x.astype(jnp.float64), tree)
    start, target = (double(network.init(key)) for key in keys[2:4])
    batches = sample_batches(keys[4], N, STEPS, BATCH)
    return Synthetic(images, labels, jnp.log(jnp.float64(0.05))), start, target, batches, keys[5]


def by_jax(apply, ops):
    augment = (lambda key, x: dsa(key, x, ops=ops)) if ops else None

    @jax.jit
    def run(synthetic, start, target, batches, key):
        (loss, _), grads = jax.value_and_grad(match_loss, has_aux=True)(
            synthetic, start, target, apply=apply, batches=batches, augment=augment, key=key
        )
        return {"loss": loss, "images": grads.images, "log α": grads.log_lr}

    return lambda *problem: {n: np.asarray(x) for n, x in run(*problem).items()}


def by_torch(network, ops, synthetic, start, target, batches, key):
    images = torch.tensor(np.asarray(synthetic.images)).permute(0, 3, 1, 2).requires_grad_()
    log_lr = torch.tensor(float(synthetic.log_lr), dtype=torch.float64, requires_grad=True)
    loss, _ = distilling.match_loss(
        network,
        images,
        torch.tensor(np.asarray(synthetic.labels)),
        log_lr,
        params_from_jax(start),
        params_from_jax(target),
        torch.tensor(np.asarray(batches)),
        augment=make_augment(key, ops, np.float64) if ops else None,
    )
    by_images, by_rate = torch.autograd.grad(loss, [images, log_lr])
    found = {"loss": loss.detach(), "images": by_images.permute(0, 2, 3, 1), "log α": by_rate}
    return {name: value.numpy() for name, value in found.items()}


def relative(a, b):
    return float(np.max(np.abs(a - b)) / np.max(np.abs(a)))
