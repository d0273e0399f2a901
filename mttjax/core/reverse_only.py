"""Values that are differentiated in reverse alone, and say so where they are not.

JAX refuses forward mode of a ``custom_vjp`` with a message that names neither the function nor a
remedy, and where it is raised depends on what is jitted. Here the tangent goes through a primitive
that is the identity: transposed, as in reverse mode, it vanishes; computed or compiled, as in
forward mode, it raises a message of ours.
"""

from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["reverse_only"]

MESSAGE = (
    "the default derivative, 'mixed', is taken in reverse alone: for forward mode (jax.jvp, "
    "jax.jacfwd, jax.linearize) give derivative='plain' or 'checkpoint'"
)


def reverse_only(tree: Any) -> Any:
    """The same pytree; a ``TypeError`` where its floating leaves are differentiated forward."""
    floating = lambda x: jnp.issubdtype(jnp.result_type(x), jnp.floating)
    # Leaf by leaf: what is not differentiated has no tangent then, not one of zeros.
    return jax.tree.map(lambda x: _guarded(x) if floating(x) else x, tree)


@jax.custom_jvp
def _guarded(x):
    return x


@_guarded.defjvp
def _guarded_jvp(primals, tangents):
    return primals[0], _tangent.bind(tangents[0])


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise TypeError(MESSAGE)


_tangent = Primitive("reverse_only_tangent")
_tangent.def_impl(_refuse)
_tangent.def_abstract_eval(lambda x: x)
ad.deflinear2(_tangent, lambda cotangent, _: [cotangent])
batching.primitive_batchers[_tangent] = lambda x, at: (_tangent.bind(x[0]), at[0])
mlir.register_lowering(_tangent, _refuse)
