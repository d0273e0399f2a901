"""Training and testing a network on images that already lie on the device.

Whole epochs are one ``lax.scan``: the images stay uint8 on the device and are gathered,
normalised and augmented there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from mttjax.core.flat import Flat, flat_direction
from mttjax.core.networks import Network
from mttjax.core.types import Apply, Augment, Params
from mttjax.core.unrolling import value_and_grad_in_chunks
from mttjax.system.memory import device_memory

__all__ = [
    "STUDENT_TILE",
    "TRAINING_TILE",
    "Epoch",
    "EpochRecord",
    "TrainState",
    "accuracy",
    "cache_chunk",
    "classified_correctly",
    "divisor_up_to",
    "fitting_chunk",
    "fitting_test_chunk",
    "fitting_tile",
    "make_epoch",
    "sgd",
]

CPU_CHUNK_PIXELS = 16 * 32 * 32  # images × pixels whose activations stay in a CPU's caches
STUDENT_TILE = 2  # of a CPU's convolutions where a gradient is differentiated
TRAINING_TILE = 4  # and where it is not: half a digit is lost
MOST_TESTED = 1000  # images at once
LIVE = 4  # arrays of a block's size that lie in memory at once, roughly
TESTING_SHARE = 0.25  # of an accelerator's memory


class EpochRecord(NamedTuple):
    """What one pass over a training set saw."""

    loss: jax.Array
    """[] the mean over the images."""
    correct: jax.Array
    """[n] bool: whether each image, augmented, was classified correctly before its update."""


class TrainState(NamedTuple):
    """Parameters, and what the optimiser keeps of the past."""

    params: Params
    optimiser: optax.OptState


Epoch = Callable[
    [TrainState, jax.Array, jax.Array, jax.Array, jax.Array | float], tuple[TrainState, EpochRecord]
]
"""``epoch(state, key, images [n, ...], labels [n, ...], lr []) -> (state, EpochRecord)``."""


def sgd(*, momentum: float = 0.0, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """PyTorch's SGD without the rate, as an optax transformation: step by -rate × its update."""
    stages = []
    if weight_decay:
        stages.append(optax.add_decayed_weights(weight_decay))
    if momentum:
        stages.append(optax.trace(momentum))
    return optax.chain(*stages) if stages else optax.identity()


def make_epoch(
    apply: Apply,
    optimiser: optax.GradientTransformation,
    *,
    prepare: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]],
    augment: Augment | None,
    batch: int,
    chunk: int | None = None,
    flat: Flat | None = None,
) -> Epoch:
    """One shuffled pass over a training set, as a pure function to be jitted.

    Args:
      apply: ``apply(params, images) -> logits``.
      optimiser: what ``sgd`` returns.
      prepare: ``prepare(images[indices], labels[indices])`` -> normalised images
        [B, H, W, C] and label probabilities [B, K].
      augment: ``augment(key, images)`` or None.
      batch: B; the last partial batch of a pass is kept.
      chunk: at most so many images at once within a batch, or None.
      flat: steps towards flat minima, or None; loss and accuracy stay those of the parameters.

    Returns:
      ``epoch``, see ``Epoch``; the key decides the order and the augmentations.
    """

    def step(images, labels, lr, state, key, indices):
        x, y = prepare(images[indices], labels[indices])
        if augment is not None:
            x = augment(key, x)
        piece = divisor_up_to(len(indices), chunk)
        look = lambda params: value_and_grad_in_chunks(apply, params, x, y, piece)
        (loss, grads), logits = look(state.params)
        if flat is not None:
            grads = flat_direction(state.params, grads, lambda params: look(params)[0][1], flat)
        updates, kept = optimiser.update(grads, state.optimiser, state.params)
        params = jax.tree.map(lambda p, u: p - lr * u, state.params, updates)
        correct = jnp.argmax(logits, axis=-1) == jnp.argmax(y, axis=-1)
        return TrainState(params, kept), (loss, correct)

    def epoch(state, key, images, labels, lr):
        n = images.shape[0]
        whole = n // batch
        # Each is used once: fold_in(key, i) would be split(key)[i], which shuffles already.
        order_key, augment_key = jax.random.split(key)
        order = jax.random.permutation(order_key, n)
        keys = jax.random.split(augment_key, whole + 1)
        one = partial(step, images, labels, lr)
        body = lambda state, at: one(state, *at)
        indices = order[: whole * batch].reshape(whole, batch)
        total, correct = jnp.float32(0), jnp.zeros(0, bool)
        if whole:
            state, (losses, correct) = lax.scan(body, state, (keys[:-1], indices))
            total, correct = jnp.sum(losses) * batch, correct.reshape(-1)
        rest = order[whole * batch :]
        if len(rest):
            state, (loss, last) = one(state, keys[-1], rest)
            total, correct = total + loss * len(rest), jnp.concatenate([correct, last])
        correct = jnp.zeros_like(correct).at[order].set(correct, unique_indices=True)
        return state, EpochRecord(total / n, correct)

    return epoch


def cache_chunk(image_shape: Sequence[int], platform: str) -> int | None:
    """How many images a CPU should take at once, so that activations stay in its caches."""
    if platform != "cpu":
        return None
    return max(1, CPU_CHUNK_PIXELS // (image_shape[0] * image_shape[1]))


def fitting_chunk(network: Network) -> int | None:
    """``cache_chunk`` of a network's images here; None too where it must see a batch as a whole."""
    return cache_chunk(network.image_shape, jax.default_backend()) if network.per_image else None


def fitting_tile(tile: int) -> int | None:
    """``tile`` on a CPU; elsewhere None: there the compiler's own convolution is the fast one."""
    return tile if jax.default_backend() == "cpu" else None


def fitting_test_chunk(network: Network) -> int:
    """How many images to test on at once.

    On an accelerator so many that a quarter of its memory holds what a forward pass works in; on
    a CPU as ``fitting_chunk``.
    """
    memory = device_memory()
    if memory is None or not network.per_image:
        return fitting_chunk(network) or MOST_TESTED
    fitting = memory * TESTING_SHARE / (LIVE * max(_block_sizes(network)))
    return max(1, min(MOST_TESTED, int(fitting)))


def _block_sizes(network):
    """Bytes of each block's activations of one image; of a network of one's own, of everything it
    computes."""
    image = jax.ShapeDtypeStruct((1, *network.image_shape), jnp.float32)
    if network.spec.is_own:
        computed = jax.make_jaxpr(network.apply)(network.shapes, image).eqns
        return [var.aval.size * var.aval.dtype.itemsize for eqn in computed for var in eqn.outvars]
    blocks = jax.eval_shape(network.layers, network.shapes, image).blocks
    return [block.size * block.dtype.itemsize for block in blocks]


def divisor_up_to(n: int, limit: int | None) -> int | None:
    """The largest divisor of ``n`` that is at most ``limit``; None for no limit."""
    if limit is None:
        return None
    return next(d for d in range(min(n, limit), 0, -1) if n % d == 0)


def accuracy(
    apply: Apply,
    prepare: Callable[[jax.Array], jax.Array],
    params: Params,
    images: jax.Array,
    labels: jax.Array,
    *,
    chunk: int = 256,
) -> jax.Array:
    """The fraction of images that ``params`` classifies correctly; [] float32.

    Args:
      apply, prepare, params, images, labels, chunk: as ``classified_correctly``.
    """
    hits = classified_correctly(apply, prepare, params, images, labels, chunk=chunk)
    return jnp.sum(hits) / len(hits)


def classified_correctly(
    apply: Apply,
    prepare: Callable[[jax.Array], jax.Array],
    params: Params,
    images: jax.Array,
    labels: jax.Array,
    *,
    chunk: int = 256,
) -> jax.Array:
    """Whether ``params`` classifies each image correctly, without augmentation.

    Args:
      apply: ``apply(params, images) -> logits``.
      prepare: uint8 images -> normalised images.
      params: the network's parameters.
      images: [n, H, W, C] uint8, n at least 1.
      labels: [n] integers.
      chunk: images at once.

    Returns:
      [n] bool.
    """
    n = images.shape[0]
    chunk = min(chunk, n)
    count = n // chunk

    def correct(images, labels):
        return jnp.argmax(apply(params, prepare(images)), axis=-1) == labels

    split = lambda x: x[: count * chunk].reshape(count, chunk, *x.shape[1:])
    hits = lax.map(lambda at: correct(*at), (split(images), split(labels))).reshape(-1)
    if count * chunk < n:
        rest = correct(images[count * chunk :], labels[count * chunk :])
        hits = jnp.concatenate([hits, rest])
    return hits
