"""What is asked of arguments, once, at the door that they come through; nothing is traced for it.

All raise ``ValueError``. The logits are looked at where they are made: ``soft_cross_entropy``.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from mttjax.system.fields import is_whole

__all__ = ["check_alike", "check_chunk", "check_images", "check_key", "check_mask", "check_student"]


def check_student(
    synthetic: Any,
    batches: jax.Array,
    *,
    augment: object,
    key: jax.Array | None,
    chunk: int | None,
    distinct: bool,
) -> None:
    """The arguments of ``unroll``."""
    # Pixels are images where augment makes floating numbers of them.
    check_images("synthetic", synthetic.images, synthetic.labels, pixels=augment is not None)
    shape = jnp.shape(batches)
    if len(shape) != 2 or 0 in shape or not jnp.issubdtype(batches.dtype, jnp.integer):
        raise ValueError(
            f"batches must be integers [S, B], got shape {shape} of {jnp.result_type(batches)}: "
            "make them with mttjax.sample_batches"
        )
    # Of a traced value nothing is known: JAX then takes the nearest image there is.
    if not isinstance(batches, jax.core.Tracer):
        known, n = np.asarray(batches), len(synthetic.images)
        low, high = known.min(), known.max()
        if low < 0 or high >= n:
            raise ValueError(f"batches must be in 0..{n - 1}, they are from {low} to {high}")
        if distinct and not np.diff(np.sort(known)).all():
            raise ValueError("batches have an image twice in a minibatch: they are not distinct")
    _check_floating("synthetic.labels", synthetic.labels)
    _check_floating("synthetic.log_lr", synthetic.log_lr)
    rates = jnp.shape(synthetic.log_lr)
    if rates not in ((), shape[:1]):
        raise ValueError(f"synthetic.log_lr must be [] or [{shape[0]}], got shape {rates}")
    check_key(augment, key)
    check_chunk(chunk, shape[1], "images of a minibatch")


def check_images(
    side: str, images: ArrayLike, labels: ArrayLike | None = None, *, pixels: bool = False
) -> None:
    """[n, H, W, C] floating, or integers too with ``pixels``, n at least 1; labels [n, K]."""
    shapes = [jnp.shape(x) for x in (images, labels) if x is not None]
    ranks = [len(shape) for shape in shapes]
    if ranks != [4, 2][: len(ranks)] or len({s[0] for s in shapes}) > 1 or 0 in sum(shapes, ()):
        wanted = "images [n, H, W, C]" + " and labels [n, K]" * (len(ranks) > 1)
        raise ValueError(
            f"{side} {wanted} must not be empty and fit, got {' and '.join(map(str, shapes))}"
        )
    if not pixels:
        _check_floating(f"{side} images", images)


def check_mask(mask: ArrayLike | None, shape: tuple[int, ...]) -> None:
    """None, or a bool for every real image."""
    if mask is not None and (jnp.shape(mask), jnp.result_type(mask)) != (shape, jnp.bool_):
        raise ValueError(
            f"real_mask must be bool {list(shape)}, one for each real image, got "
            f"{jnp.result_type(mask)} {list(jnp.shape(mask))}"
        )


def check_alike(a: Any, b: Any, names: str, *, floating: bool = False) -> None:
    """Two trees of one structure with arrays of the same shapes, at least one."""
    trees: list[Any] = [jax.tree.structure(tree) for tree in (a, b)]
    if trees[0] != trees[1] or not trees[0].num_leaves:
        raise ValueError(f"{names} must have one structure, got {trees[0]} and {trees[1]}")
    leaves = jax.tree_util.tree_leaves_with_path(a)
    for (path, x), y in zip(leaves, jax.tree.leaves(b), strict=True):
        at = jax.tree_util.keystr(path)
        if jnp.shape(x) != jnp.shape(y):
            raise ValueError(
                f"{names} differ at {at}: {jnp.shape(x)} and {jnp.shape(y)}; "
                "are they of one network?"
            )
        for leaf in (x, y) if floating else ():
            _check_floating(f"{names} at {at}", leaf)


def _check_floating(what, x):
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise ValueError(f"{what} must be floating, got {jnp.result_type(x)}")


def check_key(augment: object, key: jax.Array | None) -> None:
    """A key where there is an augmentation."""
    if augment is not None and key is None:
        raise ValueError("augment is given and key is None: pass a JAX random key")


def check_chunk(chunk: int | None, n: int, what: str) -> None:
    """None, or a divisor of n."""
    if chunk is not None and (not is_whole(chunk) or chunk < 1 or n % chunk):
        raise ValueError(f"chunk {chunk!r} does not divide the {n} {what}")
