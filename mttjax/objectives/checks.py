"""What every objective with a student asks of its arguments."""

import jax.numpy as jnp

from mttjax.unrolling import DERIVATIVES

__all__ = ["check_student"]


def check_student(synthetic, batches, *, augment, key, chunk, derivative, own_rates=False):
    """Raises ``ValueError`` for arguments of ``unroll`` that do not fit each other.

    Args:
      own_rates: whether log_lr may be [S], a rate for every step.
      synthetic, batches, augment, key, chunk, derivative: as ``unroll`` has them.
    """
    images, labels, log_lr = (jnp.shape(x) for x in synthetic)
    rates = "[] or [S]" if own_rates else "[]"
    fits = log_lr == () or (own_rates and log_lr == jnp.shape(batches)[:1])
    if (len(images), len(labels)) != (4, 2) or images[0] != labels[0] or not fits:
        raise ValueError(
            f"synthetic needs images [N, H, W, C], labels [N, K] and log_lr {rates}, "
            f"got shapes {images}, {labels} and {log_lr}"
        )
    if jnp.ndim(batches) != 2 or not jnp.issubdtype(batches.dtype, jnp.integer):
        raise ValueError(
            f"batches must be integers [S, B], got shape {jnp.shape(batches)} of {batches.dtype}: "
            "make them with mttjax.sample_batches"
        )
    steps, batch = batches.shape
    if steps < 1 or batch < 1:
        raise ValueError(f"batches [S, B] must not be empty, got shape {(steps, batch)}")
    if augment is not None and key is None:
        raise ValueError("augment is given and key is None: pass a JAX random key")
    if chunk is not None and (chunk < 1 or batch % chunk):
        raise ValueError(f"chunk {chunk} does not divide the minibatch of {batch} images")
    if derivative not in DERIVATIVES:
        raise ValueError(f"derivative is one of {', '.join(DERIVATIVES)}, got {derivative!r}")
