"""The shape of a method: what the outer loop needs to know of it, and nothing else."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mttjax.core.decoding import AS_LEARNED, Decoder
from mttjax.core.synthetic import Synthetic
from mttjax.distilling.step import OuterState, Slope, StepRecord, initial_state, make_update
from mttjax.system.metrics import Listener

__all__ = ["Drawn", "Method", "Step", "compile_program", "pure_method", "read_ahead"]

Log = Callable[[str], object]

Step = Callable[[OuterState, Any, jax.Array, int], tuple[OuterState, jax.Array]]
"""``step(state, context, root, index) -> (state, StepRecord.packed())``, compiled: the key of a
step is ``fold_in(root, index)``; the state that is given is used up."""


class Drawn(NamedTuple):
    """What was drawn for one outer step."""

    context: Any
    """A pytree of arrays that the step is given: a pair of snapshots, a batch of real images."""
    note: dict[str, Any]
    """JSON values about it, for the step's line in the metrics."""


class Method(NamedTuple):
    """A method as the outer loop sees it."""

    draw: Callable[[int], Drawn]
    """``draw(index)``: what a step is given, from its number alone."""
    initial: OuterState
    """The state before the first step."""
    compile: Callable[[OuterState, Any, jax.Array, Log], Step]
    """``compile(state, context, root, log)``, for arguments of those shapes."""
    remedies: str
    """What to change when the run diverges."""
    decode: Decoder = AS_LEARNED
    """What is learned -> the set that is evaluated and kept."""
    listener: Listener | None = None
    """What hears of every step."""


def read_ahead(
    draw: Callable[[int], Drawn], first: int, last: int, depth: int = 2
) -> Iterator[Drawn]:
    """Yields ``draw(index)`` for ``first`` to ``last`` - 1, ``depth`` of them ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="contexts") as pool:
        waiting = [pool.submit(draw, i) for i in range(first, min(first + depth, last))]
        for index in range(first, last):
            if index + depth < last:
                waiting.append(pool.submit(draw, index + depth))
            yield waiting.pop(0).result()


def pure_method(
    synthetic: Synthetic,
    draw: Callable[[int], Drawn],
    *,
    gradient: Callable[..., tuple[Slope, Any]],
    optimiser: optax.GradientTransformation,
    remedies: str,
    carry: Any = (),
    advance: Callable[..., Any] | None = None,
    project: Callable[[Synthetic], Synthetic] | None = None,
) -> Method:
    """A ``Method`` whose step is one program.

    Args:
      synthetic: the ``Synthetic`` to begin with.
      draw: see ``Method``.
      gradient: ``gradient(synthetic, carry, context, key) -> (Slope, carry)``.
      optimiser: see ``make_update``.
      remedies: see ``Method``.
      carry: what the method keeps from step to step, before the first.
      advance: ``advance(carry, synthetic, context, key) -> carry`` after the move of the
        images, or None.
      project: see ``make_update``.
    """
    update = make_update(optimiser, project=project)

    def step(state, context, key):
        gradient_key, advance_key = jax.random.split(key)
        slope, carry = gradient(state.synthetic, state.carry, context, gradient_key)
        state, record = update(state, slope)
        if advance is not None:
            carry = advance(carry, state.synthetic, context, advance_key)
        return state._replace(carry=carry), record

    def compile_step(state, context, root, log):
        return compile_program(step, state, context, root, log)

    # Buffers of its own for every leaf: the step uses up its state.
    carry = jax.tree.map(lambda x: jnp.array(x, copy=True), carry)
    return Method(draw, initial_state(synthetic, optimiser, carry), compile_step, remedies)


def compile_program(
    step: Callable[..., tuple[OuterState, StepRecord]],
    state: OuterState,
    context: Any,
    root: jax.Array,
    log: Log,
) -> Step:
    """``step(state, context, key)`` as one program that draws its own key."""
    begin = time.perf_counter()

    def keyed(state, context, root, index):
        state, record = step(state, context, jax.random.fold_in(root, index))
        return state, record.packed()

    lowered = jax.jit(keyed, donate_argnums=0).lower(state, context, root, 0)
    compiled = lowered.compile()
    tell_compiled(log, begin, working_memory(compiled))
    return compiled


def tell_compiled(log: Log, begin: float, size: int) -> None:
    """Says how long the compiling took, and how much memory a step works in."""
    megabytes = f", {size / 2**20:.0f} MiB of working memory" if size else ""
    log(f"the step compiled in {time.perf_counter() - begin:.1f} s{megabytes}")


def working_memory(compiled: Any) -> int:
    """Bytes of temporaries of a compiled program; 0 where the backend does not say."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes if memory else 0
