"""Whether both sides compute the same loss and gradient, in float64 and a small network.

The minibatches and augmentations of the PyTorch side are those that mttjax draws.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.pytorch import distilling
from benchmarks.pytorch.network import ConvNet, How, nchw, params_from_jax
from benchmarks.pytorch.same_draws import make_augment, replay
from mttjax.core.augmentation import dsa
from mttjax.core.networks import NetworkSpec, make_network
from mttjax.core.objectives import match_loss
from mttjax.core.synthetic import Synthetic
from mttjax.core.unrolling import sample_batches

__all__ = ["make"]

N, K, STEPS, BATCH, SHAPE = 6, 3, 3, 4, (16, 16, 3)
TOLERANCE, TOLERANCE_DSA = 1e-8, 1e-6


def make(work, _options):
    """See ``works.Agreement``."""
    return partial(agreement, work.ops, work.seeds)


def agreement(ops, seeds):
    """A line per case: the largest differences, relative to the largest number there is."""
    with jax.enable_x64(True):
        return {"cases": [case((), 1), case(ops, seeds)]}


def case(ops, seeds):
    network = make_network(NetworkSpec(depth=2, width=8), SHAPE, K)
    torch_network = ConvNet(SHAPE, K, depth=2, width=8)
    ours = by_jax(network.apply, ops)
    differences, seen = {}, set()
    for seed in range(seeds):
        problem = problem_of(network, seed)
        expected = ours(*problem)
        for channels_last in (False, True):
            theirs = by_torch(torch_network, ops, channels_last, *problem)
            for name, value in expected.items():
                difference = relative(value, theirs[name])
                differences[name] = max(difference, differences.get(name, 0.0))
        if ops:
            keys = [jax.random.fold_in(problem[-1], step) for step in range(STEPS)]
            seen |= {replay(key, ops, BATCH, *SHAPE[:2], np.float64)[0] for key in keys}
    title = "DSA: " + " ".join(op for op in ops if op in seen) if ops else "no augmentation"
    tolerance = TOLERANCE_DSA if ops else TOLERANCE
    return {"case": title, "tolerance": tolerance, "differences": differences}


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
        (loss, aux), grads = jax.value_and_grad(match_loss, has_aux=True)(
            synthetic, start, target, apply=apply, batches=batches, augment=augment, key=key
        )
        last = aux.losses[-1]
        return {"images": grads.images, "log α": grads.log_lr, "loss": loss, "last step": last}

    return lambda *problem: {n: np.asarray(x) for n, x in run(*problem).items()}


def by_torch(network, ops, channels_last, synthetic, start, target, batches, key):
    images = nchw(synthetic.images).requires_grad_()
    log_lr = torch.tensor(float(synthetic.log_lr), dtype=torch.float64, requires_grad=True)
    loss, last = distilling.match_loss(
        network,
        images,
        torch.tensor(np.asarray(synthetic.labels)),
        log_lr,
        params_from_jax(start),
        params_from_jax(target),
        torch.tensor(np.asarray(batches)),
        augment=make_augment(key, ops, np.float64) if ops else None,
        how=How(channels_last=channels_last),
    )
    by_images, by_rate = torch.autograd.grad(loss, [images, log_lr])
    numbers = {"images": by_images.permute(0, 2, 3, 1), "log α": by_rate, "loss": loss.detach()}
    return {name: value.numpy() for name, value in numbers.items()} | {"last step": last.numpy()}


def relative(a, b):
    return float(np.max(np.abs(a - b)) / np.max(np.abs(a)))
