"""The shape of a method: what the outer loop needs to know of it, and nothing else."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mttjax.distilling.step import OuterState, initial_state, make_update

__all__ = ["Drawn", "Method", "compile_program", "pure_method", "read_ahead"]


class Drawn(NamedTuple):
    """What was drawn for one outer step."""

    context: Any
    """A pytree of arrays that the step is given: a pair of snapshots, a batch of real images."""
    note: dict
    """JSON values about it, for the step's line in the metrics."""


def read_ahead(draw, first, last, depth=2):
    """Yields ``draw(step)`` for steps ``first`` to ``last`` - 1, ``depth`` of them ahead."""
    with ThreadPoolExecutor(1, thread_name_prefix="contexts") as pool:
        waiting = []
        for step in range(first, last + depth):
            if step < last:
                waiting.append(pool.submit(draw, step))
            if step >= first + depth and waiting:
                yield waiting.pop(0).result()


class Method(NamedTuple):
    """A method as the outer loop sees it."""

    draw: Callable
    """``draw(step) -> Drawn``, from the number of the step alone."""
    initial: OuterState
    """The state before the first step."""
    compile: Callable
    """``compile(state, context, key, log) -> step``, for arguments of those shapes, with
    ``step(state, context, key) -> (state, StepRecord)``; the state given is used up."""
    remedies: str
    """What to change when the run diverges, in the words of the commands' options."""


def pure_method(
    synthetic, draw, *, gradient, optimiser, remedies, carry=(), advance=None, project=None
):
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

    def compile_step(state, context, key, log):
        return compile_program(step, (state, context, key), log)

    # Buffers of its own for every leaf: the step uses up its state.
    carry = jax.tree.map(lambda x: jnp.array(x, copy=True), carry)
    initial = initial_state(synthetic, optimiser, carry)
    return Method(draw, initial, compile_step, remedies)


def compile_program(step, arguments, log):
    """``step`` compiled as one program that uses up its first argument, the state."""
    begin = time.perf_counter()
    compiled = jax.jit(step, donate_argnums=0).lower(*arguments).compile()
    tell_compiled(log, begin, working_memory(compiled))
    return compiled


def tell_compiled(log, begin, size):
    """Says how long the compiling took, and how much memory a step works in."""
    megabytes = f", {size / 2**20:.0f} MiB of working memory" if size else ""
    log(f"the step compiled in {time.perf_counter() - begin:.1f} s{megabytes}")


def working_memory(compiled):
    """Bytes of temporaries of a compiled program; 0 where the backend does not say."""
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes if memory else 0
