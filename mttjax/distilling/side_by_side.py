"""A step of several trajectories, computed side by side: in threads, on devices, in processes.

Every device runs the program of one trajectory, and one program takes the mean of all in their
order: on CPUs no bit depends on how many devices or processes there are; on cards, where each
compiles for itself, it was not tried. A mesh over which XLA spreads
the step would add in an order that depends on it, and compile another program for every number.
"""

import time
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from mttjax.core.decoding import Decoder
from mttjax.distilling.method import Log, Step, tell_compiled, working_memory
from mttjax.distilling.step import OuterState, Slope, StepRecord
from mttjax.system.errors import InputError
from mttjax.system.team import Team
from mttjax.system.threads import cores, in_threads

__all__ = ["by_what_is_learned", "compile_side_by_side", "devices_of_step", "trajectory_keys"]


def devices_of_step(asked: int | Literal["all"], trajectories: int, team: Team) -> list[jax.Device]:
    """The devices of this process that compute its trajectories of a step.

    Args:
      asked: how many; ``all``: as many as there are trajectories for.
      trajectories: P.
      team: the processes that share them.

    Raises:
      InputError: more devices than there are, or more devices or processes than trajectories.
    """
    if team.count > trajectories:
        raise InputError(
            f"distill.trajectories is {trajectories}: {team.count} processes compute a step, and "
            f"each needs one at least; give {team.count} or more, or start fewer processes"
        )
    there, own = jax.local_devices(), len(team.own(trajectories))
    if asked == "all":
        return there[:own]
    if asked > len(there):
        raise InputError(
            f"distill.devices is {asked}: JAX has {len(there)} in this process "
            f"({there[0].device_kind}); give so many at most, or all"
        )
    if asked > own:
        raise InputError(
            f"distill.devices is {asked}: a step has {own} trajectories in this process, and each "
            f"is computed by one device; give {own} at most, or more distill.trajectories"
        )
    return there[:asked]


def trajectory_keys(key: jax.Array, count: int) -> jax.Array:
    """The random keys [P] of the trajectories of a step."""
    return key[None] if count == 1 else jax.random.split(key, count)


def by_what_is_learned(slope: Slope, pull_back: Callable[[Any], Any]) -> Slope:
    """A slope by the set as one by what the set is decoded from; ``pull_back`` of its vjp."""
    (gradient,) = pull_back(slope.gradient)
    return slope._replace(gradient=gradient)


def compile_side_by_side(
    gradient: Callable[..., Slope],
    update: Callable[[OuterState, Slope], tuple[OuterState, StepRecord]],
    decode: Decoder,
    count: int,
    devices: list[jax.Device],
    team: Team,
    state: OuterState,
    pairs: Any,
    root: jax.Array,
    log: Log,
) -> Step:
    """See ``Method.compile``.

    Args:
      gradient: ``gradient(synthetic, start, target, key)`` of one trajectory, by the set.
      update: moves what is learned by the mean, see ``make_update``.
      decode: what is learned -> the set.
      count: P.
      devices: of this process; on one that is a CPU a thread for each core.
      team: the processes that share the trajectories.
      state: as the step will be given.
      pairs: (start, target), with a leading axis of those of this process.
      root: as the step will be given.
      log: called with a line.
    """
    begin, own = time.perf_counter(), team.own(count)
    pair = lambda pairs, row: jax.tree.map(lambda x: x[row], pairs)
    given = jax.eval_shape(decode, state.synthetic), *pair(pairs, 0), root
    programs = in_threads(lambda device: _compiled_for(device, gradient, given), devices)
    decoded = jax.jit(decode)
    mean_and_update = jax.jit(_mean_and(update, decode), donate_argnums=0)
    workers = max(cores() if devices[0].platform == "cpu" else 1, len(devices))
    tell_compiled(log, begin, working_memory(programs[0]) * min(len(own), workers))
    if (computing := len(devices) * team.count) > 1:
        each = f" of {team.count} processes" if team.count > 1 else ""
        log(f"{count} trajectories a step on {computing} devices{each}")

    def step(state, pairs, root, index):
        synthetic = decoded(state.synthetic)
        keys = trajectory_keys(jax.random.fold_in(root, index), count)

        def slope(row, trajectory):
            program = programs[row % len(devices)]
            return jax.block_until_ready(program(synthetic, *pair(pairs, row), keys[trajectory]))

        how = {"workers": workers, "devices": devices}
        slopes = team.completed(count, in_threads(slope, range(len(own)), own, **how))
        return mean_and_update(state, slopes)

    return step


def _compiled_for(device, gradient, given):
    with jax.default_device(device):
        return jax.jit(gradient).lower(*given).compile()


def _mean_and(update, decode):
    def run(state, slopes):
        mean = jax.tree.map(lambda *x: jnp.mean(jnp.stack(x), axis=0), *slopes)
        _, pull_back = jax.vjp(decode, state.synthetic)
        state, record = update(state, by_what_is_learned(mean, pull_back))
        return state, record.packed()

    return run
