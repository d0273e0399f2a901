"""Run by ``test_sharded.py``: prints, by case, the relative error of what four devices compute.

``--all``: every combination, which takes minutes.
"""

import itertools
import json
import sys
from functools import partial

import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402
from jax.sharding import Mesh, NamedSharding  # noqa: E402
from jax.sharding import PartitionSpec as P  # noqa: E402

import mttjax  # noqa: E402
from mttjax.core.winograd import winograd  # noqa: E402

MESH = Mesh(np.array(jax.devices()), ("d",))
NETWORK = mttjax.make_network(mttjax.NetworkSpec(depth=2, width=5), (8, 8, 3), 4)
WHERE = {"replicated": P(), "sharded": P("d")}
ALL = "--all" in sys.argv


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


def params(seed):
    return jax.tree.map(lambda x: x.astype(jnp.float64), NETWORK.init(jax.random.key(seed)))


def error(result, expected):
    """The largest difference over the largest number; some parameters have no gradient at all."""
    difference = jax.tree.map(lambda a, b: jnp.abs(a - b).max(), result, expected)
    sizes = jax.tree.map(lambda b: jnp.abs(b).max(), expected)
    return float(max(jax.tree.leaves(difference)) / max(jax.tree.leaves(sizes)))


def on_the_mesh(function, in_specs, out_specs, check):
    how = {"in_specs": in_specs, "out_specs": out_specs, "check_vma": check}
    return jax.jit(jax.shard_map(function, mesh=MESH, **how))


# --- convolutions, against those of JAX in the same place ---------------------------------


def of_jax(x, k):
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, k, (1, 1), [(1, 1)] * 2, dimension_numbers=names)


def derivatives(convolve):
    """By name: the gradient, its derivative along a direction as a student's step has it, and the
    gradient of that; in one program, of which each is part of the next."""
    first = jax.grad(lambda x, k: jnp.sum(jnp.sin(convolve(x, k))), (0, 1))
    along = lambda x, k: jax.jvp(first, (x, k), (jnp.cos(3 * x), jnp.cos(3 * k)))[1]
    norm = lambda x, k: sum(jnp.sum(jnp.square(a)) for a in along(x, k))
    third = jax.grad(norm, (0, 1))
    return lambda x, k: {"first": first(x, k), "along": along(x, k), "third": third(x, k)}


def convolutions():
    x, k = normal(0, 8, 6, 6, 5), normal(1, 12, 3, 5, 4)
    ours = derivatives(lambda x, k: mttjax.convolve(x, k, padding=1))
    theirs = derivatives(of_jax)
    by_winograd = derivatives(partial(winograd, m=2))
    along = lambda x, k: {"winograd": by_winograd(x, k)["along"]}  # it stands for the others
    all_of_ours = lambda x, k: ours(x, k) | along(x, k)
    stacked = lambda f: lambda x, k: jax.tree.map(lambda a: a[None], f(x, k))
    few = [("sharded", "replicated", True), ("sharded", "sharded", False)]
    for images, kernel, check in itertools.product(WHERE, WHERE, (True, False)) if ALL else few:
        given = (x, k if kernel == "sharded" else k[:3])
        specs = (WHERE[images], WHERE[kernel])
        found, expected = (
            on_the_mesh(stacked(f), specs, P("d"), check)(*given) for f in (all_of_ours, theirs)
        )
        expected["winograd"] = expected["along"]
        for order, result in found.items():
            case = f"convolve, {order}, images {images}, kernel {kernel}, checked {check}"
            yield case, error(result, expected[order])


# --- a network trained on sharded images, against one device ------------------------------


def loss(params, images, labels):
    return -jnp.mean(jnp.sum(labels * jax.nn.log_softmax(NETWORK.apply(params, images)), 1))


def networks():
    start, images = params(0), normal(0, 8, 8, 8, 3)
    labels = jax.nn.one_hot(jnp.arange(8) % 4, 4, dtype=jnp.float64)
    expected = jax.jit(jax.grad(loss))(start, images, labels)
    mean = lambda tree: lax.pmean(tree, "d")
    whole = lambda p, x, y: jax.grad(lambda p: mean(loss(p, x, y)))(p)
    own = lambda p, x, y: mean(jax.grad(loss)(p, x, y))
    specs = (P(), P("d"), P("d"))
    yield (
        "network, shard_map",
        error(on_the_mesh(whole, specs, P(), True)(start, images, labels), expected),
    )
    yield (
        "network, shard_map unchecked",
        error(on_the_mesh(own, specs, P(), False)(start, images, labels), expected),
    )
    split = lambda x: x.reshape(4, 2, *x.shape[1:])
    several = jax.pmap(own, axis_name="d", in_axes=(None, 0, 0))(
        start, split(images), split(labels)
    )
    yield "network, pmap", error(jax.tree.map(lambda a: a[0], several), expected)
    placed = jax.device_put((images, labels), NamedSharding(MESH, P("d")))
    yield "network, sharded jit", error(jax.jit(jax.grad(loss))(start, *placed), expected)


# --- matching with experts sharded, against one device ------------------------------------


def matching():
    labels = jax.nn.one_hot(jnp.arange(8) // 2, 4, dtype=jnp.float64)
    synthetic = mttjax.Synthetic(normal(0, 8, 8, 8, 3), labels, jnp.log(jnp.float64(0.05)))
    stack = lambda *trees: jax.tree.map(lambda *x: jnp.stack(x), *trees)
    start = stack(*map(params, range(4)))
    target = jax.tree.map(lambda x: x + 0.1 * jnp.cos(9 * x), start)
    keys = jax.random.split(jax.random.key(0), 4)
    augment = lambda key, x: mttjax.dsa(key, x, ops=("crop", "flip"))

    def trajectory(synthetic, start, target, key, **how):
        batches = mttjax.sample_batches(jax.random.fold_in(key, 1), n=8, steps=2, batch=4)
        how = {"apply": NETWORK.apply, "augment": augment, "key": key, "batches": batches} | how
        return mttjax.match_loss(synthetic, start, target, **how)[0]

    slope, experts = jax.value_and_grad(trajectory), (start, target, keys)
    mean = lambda tree: jax.tree.map(lambda x: jnp.mean(x, 0), tree)
    in_turn = jax.jit(lambda s: mean(lax.map(lambda pair: slope(s, *pair), experts)))
    expected, specs = in_turn(synthetic), (P(), P("d"), P("d"), P("d"))
    own = lambda pair: jax.tree.map(lambda x: x[0], pair)
    for how in ({}, {"chunk": 2}, {"derivative": "plain"}) if ALL else ({},):
        together = lambda s, pair, how=how: lax.pmean(trajectory(s, *pair, **how), "d")
        local = lambda s, *pair, together=together: jax.value_and_grad(together)(s, own(pair))
        result = on_the_mesh(local, specs, P(), True)(synthetic, *experts)
        yield f"match_loss, shard_map {how or ''}", error(result, expected)
    unchecked = lambda s, *pair: lax.pmean(slope(s, *own(pair)), "d")
    result = on_the_mesh(unchecked, specs, P(), False)(synthetic, *experts)
    yield "match_loss, shard_map unchecked", error(result, expected)
    result = mean(jax.pmap(slope, in_axes=(None, 0, 0, 0))(synthetic, *experts))
    yield "match_loss, pmap", error(result, expected)
    over = lambda s, *pairs: jnp.mean(jax.vmap(trajectory, (None, 0, 0, 0))(s, *pairs))
    placed = jax.device_put(experts, NamedSharding(MESH, P("d")))
    result = jax.jit(jax.value_and_grad(over))(synthetic, *placed)
    yield "match_loss, sharded jit", error(result, expected)


if __name__ == "__main__":
    print(json.dumps(dict(itertools.chain(convolutions(), networks(), matching()))))
