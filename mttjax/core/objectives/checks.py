"""What every objective with a student asks of its arguments."""

import jax
import jax.numpy as jnp
import numpy as np

from mttjax.core.unrolling import DERIVATIVES

__all__ = ["check_logits", "check_params", "check_student"]


def check_student(synthetic, batches, *, augment, key, chunk, derivative, own_rates=False):
    """Raises ``ValueError`` for arguments of ``unroll`` that do not fit each other.

    Args:
      own_rates: whether log_lr may be [S], a rate for every step.
      synthetic, batches, augment, key, chunk, derivative: as ``unroll`` has them.
    """
    _check_batches(batches)
    _check_synthetic(synthetic, batches, own_rates)
    _check_indices(batches, len(synthetic.images))
    if augment is not None:
        _check_augment(augment, key)
    batch = batches.shape[1]
    if chunk is not None and (not _is_whole(chunk) or chunk < 1 or batch % chunk):
        raise ValueError(f"chunk {chunk!r} does not divide the minibatch of {batch} images")
    if not isinstance(derivative, str) or derivative not in DERIVATIVES:
        raise ValueError(f"derivative is one of {', '.join(DERIVATIVES)}, got {derivative!r}")


def _is_whole(value):
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_array(x):
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _check_synthetic(synthetic, batches, own_rates):
    rates = "[] or [S]" if own_rates else "[]"
    wanted = f"Synthetic(images [N, H, W, C], labels [N, K], log_lr {rates}) of floating arrays"
    fields = [getattr(synthetic, name, None) for name in ("images", "labels", "log_lr")]
    if any(field is None or not _is_number(field) for field in fields):
        raise ValueError(f"synthetic needs {wanted}, got {type(synthetic).__name__}")
    images, labels, log_lr = map(jnp.shape, fields)
    fits = log_lr == () or (own_rates and log_lr == jnp.shape(batches)[:1])
    if (len(images), len(labels)) != (4, 2) or images[0] != labels[0] or not fits:
        raise ValueError(
            f"synthetic needs images [N, H, W, C], labels [N, K] and log_lr {rates}, "
            f"got shapes {images}, {labels} and {log_lr}"
        )
    if 0 in images or 0 in labels:
        raise ValueError(f"synthetic must not be empty, got shapes {images} and {labels}")
    dtypes = [jnp.result_type(field) for field in fields]
    # Images may be pixels where augment makes floating numbers of them; see ``check_logits``.
    pixels = jnp.issubdtype(dtypes[0], jnp.integer)
    if not all(jnp.issubdtype(dtype, jnp.floating) for dtype in dtypes[pixels:]):
        raise ValueError(f"synthetic needs {wanted}, got {', '.join(map(str, dtypes))}")


def _is_number(x):
    return _is_array(x) or isinstance(x, float)


def _check_batches(batches):
    if (
        not _is_array(batches)
        or batches.ndim != 2
        or not jnp.issubdtype(batches.dtype, jnp.integer)
    ):
        found = f"shape {batches.shape} of {batches.dtype}" if _is_array(batches) else type(batches)
        raise ValueError(
            f"batches must be integers [S, B], got {found}: make them with mttjax.sample_batches"
        )
    if 0 in batches.shape:
        raise ValueError(f"batches [S, B] must not be empty, got shape {batches.shape}")


def _check_indices(batches, n):
    """Of a traced value nothing is known: JAX then takes the nearest image there is."""
    if isinstance(batches, jax.core.Tracer):
        return
    known = np.asarray(batches)
    lowest, highest = int(known.min()), int(known.max())
    if lowest < 0 or highest >= n:
        raise ValueError(f"batches must be in 0..{n - 1}, found {lowest} to {highest}")


def _check_augment(augment, key):
    if not callable(augment):
        raise ValueError(f"augment must be a function of (key, images), got {augment!r}")
    if key is None:
        raise ValueError("augment is given and key is None: pass a JAX random key")
    typed = _is_array(key) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    raw = _is_array(key) and key.dtype == jnp.uint32 and key.ndim == 1
    if not (raw or (typed and key.ndim == 0)):
        raise ValueError(f"key must be one JAX random key, such as jax.random.key(0), got {key!r}")


def check_params(params, name):
    """Raises ``ValueError`` unless ``params`` is a pytree of floating arrays, at least one."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError(f"{name} has no parameters")
    for path, leaf in leaves:
        at = f"{name}{jax.tree_util.keystr(path)}"
        if not _is_number(leaf):
            raise ValueError(f"{at} is no array but {type(leaf).__name__}")
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise ValueError(f"{at} must be floating, got {jnp.result_type(leaf)}")


def check_logits(apply, params, synthetic, batch, *, augment, key, chunk):
    """Raises ``ValueError`` unless ``apply`` gives [B, K] logits for a minibatch.

    Args:
      apply, augment, key, chunk: as ``unroll`` has them.
      params: the student's parameters.
      synthetic: the ``Synthetic``.
      batch: B.
    """
    if not callable(apply):
        raise ValueError(f"apply must be a function of (params, images), got {apply!r}")
    shape = synthetic.images.shape[1:]
    images = jax.ShapeDtypeStruct((batch, *shape), jnp.result_type(synthetic.images))
    if augment is not None:
        images = _shape_of("augment", augment, key, images)
    floating = hasattr(images, "dtype") and jnp.issubdtype(images.dtype, jnp.floating)
    if not floating or images.shape != (batch, *shape):
        raise ValueError(
            f"the student's images must be floating, of shape {(batch, *shape)}, got {images}"
        )
    piece = jax.ShapeDtypeStruct((chunk or batch, *shape), images.dtype)
    logits = _shape_of("apply", apply, params, piece)
    wanted = (chunk or batch, synthetic.labels.shape[1])
    if getattr(logits, "shape", None) != wanted:
        raise ValueError(
            f"apply must return logits {list(wanted)}, as labels have {wanted[1]} classes, got "
            f"{logits}"
        )


def _shape_of(name, function, first, images):
    """What ``function(first, images)`` returns, as shapes."""
    try:
        return jax.eval_shape(function, first, images)
    except Exception as error:
        raise ValueError(
            f"{name} fails on images {images.shape} of {images.dtype}: {error}. Do the "
            "parameters and the images belong to one network?"
        ) from error
