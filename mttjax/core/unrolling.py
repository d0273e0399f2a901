"""The student's trajectory and its exact derivative.

One student step is θ' = θ - α ∇_θ ℓ(θ, x, y), with ℓ the mean soft cross entropy of
a minibatch. Going backward through it with cotangent v needs v - α·∇²ℓ v and
-α·∂/∂(x, y)⟨∇_θ ℓ, v⟩. Because the Hessian is symmetric, both are *one*
Jacobian-vector product of (θ, x, y) ↦ ∇_{θ,x,y} ℓ in direction v on θ: forward over
reverse ("mixed mode", Kemaev et al., 2025). The step therefore keeps nothing but its
own θ, and the memory of S steps grows by the parameters alone.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from mttjax.core.checks import check_student
from mttjax.core.reverse_only import reverse_only
from mttjax.core.synthetic import Synthetic
from mttjax.core.types import Apply, Augment, Params
from mttjax.core.varying import axes_of, varying_over
from mttjax.system.fields import require_count

__all__ = [
    "DERIVATIVES",
    "sample_batches",
    "soft_cross_entropy",
    "unroll",
    "value_and_grad_in_chunks",
]

DERIVATIVES = ("mixed", "checkpoint", "plain")


def soft_cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean over B of -Σ_k labels·log softmax(logits); both [B, K], the result [].

    Raises:
      ValueError: shapes that differ, where a network is of other classes than the labels.
    """
    if jnp.shape(logits) != jnp.shape(labels):
        raise ValueError(
            f"logits {jnp.shape(logits)} do not fit labels {jnp.shape(labels)}: "
            "apply must return logits [B, K] for images [B, H, W, C]"
        )
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(logits), axis=-1))


def sample_batches(key: jax.Array, n: int, steps: int, batch: int) -> jax.Array:
    """Minibatches as consecutive chunks of fresh permutations.

    A new permutation is drawn when fewer than ``batch`` of the last are left; choose
    ``batch`` to divide ``n`` and every image is seen equally often.

    Args:
      key: a JAX random key, for these alone: ``unroll`` takes another.
      n: N, how many images there are.
      steps: S.
      batch: B, from 1 to N.

    Returns:
      [S, B] int32 indices in 0..N-1.

    Raises:
      ValueError: no whole numbers of at least 1, or ``batch`` above N.
    """
    require_count(n=n, steps=steps, batch=batch)
    if batch > n:
        raise ValueError(f"a minibatch of {batch} from {n} images: take a smaller batch")
    per_pass = n // batch
    passes = -(-steps // per_pass)
    permute = jax.vmap(lambda key: jax.random.permutation(key, n))
    order = permute(jax.random.split(key, passes))[:, : per_pass * batch]
    return order.reshape(-1, batch)[:steps].astype(jnp.int32)


def unroll(
    synthetic: Synthetic,
    start: Params,
    *,
    apply: Apply,
    batches: jax.Array,
    augment: Augment | None = None,
    key: jax.Array | None = None,
    chunk: int | None = None,
    derivative: str = "mixed",
    distinct: bool = False,
) -> tuple[Params, jax.Array]:
    """S steps of gradient descent on the synthetic images, from ``start``.

    Args:
      synthetic: ``Synthetic`` of images [N, H, W, C], labels [N, K], log_lr [], or [S] for
        a rate of its own for every step.
      start: θ_0, any pytree of floating arrays.
      apply: ``apply(params, images [B, H, W, C]) -> logits [B, K]``.
      batches: [S, B] integers, the minibatch of every step.
      augment: ``augment(key, images) -> images`` of the same shape, or None.
      key: a JAX random key; step i augments with ``fold_in(key, i)``. Needed if ``augment`` is.
      chunk: the gradient of a minibatch is summed over chunks of so many images, which
        bounds memory and keeps a CPU's caches warm; it must divide B. The network must
        treat each image by itself (no batch norm). None: the whole minibatch at once.
      derivative: ``mixed`` (see above), or for comparison ``checkpoint`` (reverse over
        reverse, each step recomputed) and ``plain`` (every activation kept). All three
        are the exact derivative.
      distinct: no minibatch holds an image twice, as none of ``sample_batches`` does. An
        accelerator then writes the gradients of the images where it else adds them up in any
        order, to other last bits every time. The gradient of one that is there twice is wrong.

    Returns:
      (θ_S, losses [S]). θ_S is differentiable in ``synthetic`` and ``start``; the losses
      are for information and carry no gradient.

    Raises:
      ValueError: wrong ranks or dtypes, empty arrays, batches or settings out of range, or
        logits that do not fit the labels.
    """
    check_student(synthetic, batches, augment=augment, key=key, chunk=chunk, distinct=distinct)
    if derivative not in DERIVATIVES:
        raise ValueError(f"derivative is one of {', '.join(DERIVATIVES)}, got {derivative!r}")
    synthetic = jax.tree.map(jnp.asarray, synthetic)  # NumPy's cannot be indexed within a scan
    # Here, not within a step: its custom derivative must be of the same type as its arguments.
    axes = axes_of(synthetic, start, batches, key)
    synthetic, start, batches = varying_over(axes, (synthetic, start, batches))
    draw = partial(_minibatch, augment=augment, distinct=distinct)
    step: Callable = partial(_step, apply=apply, draw=draw, chunk=chunk)
    if derivative == "mixed":
        synthetic, start = reverse_only((synthetic, start))
        step = _mixed_mode(step, apply=apply, draw=draw, chunk=chunk)
    elif derivative == "checkpoint":
        step = jax.checkpoint(step)

    def body(params, at):
        index, batch = at
        key_i = None if augment is None else jax.random.fold_in(key, index)
        rates = synthetic.log_lr
        at_i = synthetic._replace(log_lr=rates[index] if jnp.ndim(rates) else rates)
        params, loss = step(params, at_i, batch, key_i)
        return params, lax.stop_gradient(loss)

    return lax.scan(body, start, (jnp.arange(len(batches)), batches))


def _step(params, synthetic, batch, key, *, apply, draw, chunk):
    images, labels = draw(synthetic, batch, key)
    (loss, grads), _ = value_and_grad_in_chunks(apply, params, images, labels, chunk)
    return _descend(params, jnp.exp(synthetic.log_lr), grads), loss


def _mixed_mode(step, *, apply, draw, chunk):
    """``step`` with the derivative of the module's docstring; it saves only its arguments."""

    def forward(params, synthetic, batch, key):
        return step(params, synthetic, batch, key), (params, synthetic, batch, key)

    def backward(saved, cotangents):
        params, synthetic, batch, key = saved
        v, _ = cotangents

        def directional(images, labels):
            gradient = jax.value_and_grad(partial(_loss, apply), argnums=(0, 1, 2))
            along = jax.jvp(lambda p: gradient(p, images, labels), (params,), (v,))[1]
            slope, (hessian_v, image_part, label_part) = along
            return (slope, hessian_v), (image_part, label_part)

        lr = jnp.exp(synthetic.log_lr)
        data, pull_back = jax.vjp(lambda s: draw(s, batch, key), synthetic)
        (slope, hessian_v), data_part = _over_chunks(directional, *data, chunk)
        share = _chunk_size(chunk, len(batch)) / len(batch)
        scaled = jax.tree.map(lambda g: (-lr * share * g).astype(g.dtype), data_part)
        (towards_data,) = pull_back(scaled)
        towards = towards_data._replace(log_lr=(-lr * slope).astype(lr.dtype))
        return _descend(v, lr, hessian_v), towards, None, None

    mixed = jax.custom_vjp(step)
    mixed.defvjp(forward, backward)
    return mixed


def _loss(apply, params, images, labels):
    return soft_cross_entropy(apply(params, images), labels)


def _descend(params, lr, grads):
    return jax.tree.map(lambda p, g: p - lr.astype(p.dtype) * g, params, grads)


def _minibatch(synthetic, batch, key, *, augment, distinct):
    take = lambda x: x.at[batch].get(unique_indices=distinct)
    images, labels = take(synthetic.images), take(synthetic.labels)
    return (images if augment is None else augment(key, images)), labels


def value_and_grad_in_chunks(
    apply: Apply, params: Params, images: jax.Array, labels: jax.Array, chunk: int | None = None
) -> tuple[tuple[jax.Array, Params], jax.Array]:
    """Mean soft cross entropy of a batch and its gradient in ``params``, chunk by chunk.

    Args:
      apply: ``apply(params, images) -> logits``.
      params: a pytree.
      images: [B, H, W, C].
      labels: [B, K] probabilities.
      chunk: a divisor of B, or None for all at once.

    Returns:
      ((loss [], a pytree like ``params``), logits [B, K]).
    """

    def loss_and_logits(params, images, labels):
        logits = apply(params, images)
        return soft_cross_entropy(logits, labels), logits

    def function(images, labels):
        (loss, logits), grads = jax.value_and_grad(loss_and_logits, has_aux=True)(
            params, images, labels
        )
        return (loss, grads), logits

    return _over_chunks(function, images, labels, chunk)


def _chunk_size(chunk, n):
    return n if chunk is None else min(chunk, n)


def _over_chunks(function, images, labels, chunk):
    """``function(images, labels) -> (mean over images, per image)``, chunk by chunk.

    ``function`` computes with the mean over the images it is given. Returned are its first
    part averaged over the chunks, and its second as it came, put together again.
    """
    n = images.shape[0]
    chunk = _chunk_size(chunk, n)
    if chunk == n:
        return function(images, labels)
    share = chunk / n
    split = lambda x: x.reshape(n // chunk, chunk, *x.shape[1:])

    def body(total, data):
        averaged, each = function(*data)
        return jax.tree.map(lambda t, a: t + share * a, total, averaged), each

    chunks = (split(images), split(labels))
    shapes = jax.eval_shape(lambda data: function(*data)[0], jax.tree.map(lambda x: x[0], chunks))
    zeros = jax.tree.map(lambda s: varying_over(axes_of(s), jnp.zeros(s.shape, s.dtype)), shapes)
    total, each = lax.scan(body, zeros, chunks)
    return total, jax.tree.map(lambda x: x.reshape(n, *x.shape[2:]), each)
