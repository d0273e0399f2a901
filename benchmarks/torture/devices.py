"""``match_loss`` and its gradient on every device there is: how far the devices are apart."""

import itertools
import json
import os
import subprocess
import sys

from benchmarks.client import ROOT, environment

__all__ = ["faults", "notes", "run"]

TOLERANCES = {
    "float32": {"loss": 1e-4, "gradient": 1e-3},
    "float64": {"loss": 1e-8, "gradient": 1e-8},
}
"""Relative: of the loss, and of the gradient's norm the norm of the difference."""

PLATFORMS = ("cpu", "gpu", "tpu")


def run():
    """Every pair of devices, in a process that sees two CPU devices: differences and faults."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    own = environment("all", XLA_FLAGS=flags)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture.devices"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"pairs": [], "kinds": [], "faults": [f"devices: {done.stderr[-1000:]}"]}
    record = json.loads(done.stdout.splitlines()[-1])
    return record | {"faults": faults(record["pairs"])}


def faults(pairs):
    """The pairs that are further apart than they may be, or not numbers."""
    return [
        f"{pair['dtype']} on {' and '.join(pair['devices'])}: {name} differs by {pair[name]:.1e}"
        for pair in pairs
        for name, tolerance in TOLERANCES[pair["dtype"]].items()
        if not pair[name] <= tolerance
    ]


def notes(record):
    """Sentences about the pairs."""
    lines = [
        f"Loss and gradient of `match_loss` on {' and '.join(pair['devices'])}, {pair['dtype']}: "
        f"{pair['loss']:.1e} and {pair['gradient']:.1e} apart, relative (allowed "
        f"{TOLERANCES[pair['dtype']]['loss']:.0e} and {TOLERANCES[pair['dtype']]['gradient']:.0e})."
        for pair in record["pairs"]
    ]
    return lines + (["Other kinds of devices: none here."] if record["kinds"] == ["cpu"] else [])


def measure():
    """The differences of all pairs, for the JSON that ``run`` reads."""
    import jax

    found = [device for name in PLATFORMS for device in _devices(name)]
    drawn, pairs = _drawn(), []
    for dtype in ("float32", "float64"):
        able = [d for d in found if dtype == "float32" or d.platform == "cpu"]
        with jax.enable_x64(dtype == "float64"):
            results = [_loss_and_gradient(device, dtype, *drawn) for device in able]
        for (a, one), (b, two) in itertools.combinations(zip(able, results, strict=True), 2):
            pair = {"devices": [str(a), str(b)], "dtype": dtype}
            pairs.append(pair | _difference(one, two))
    return {"pairs": pairs, "kinds": sorted({device.platform for device in found})}


def _devices(platform):
    import jax

    try:
        return jax.devices(platform)
    except RuntimeError:
        return []


def _drawn():
    """The network, and all arrays of the step as NumPy's: (network, (synthetic, start, ...))."""
    import jax
    import numpy as np

    import mttjax

    rng = np.random.default_rng(0)
    network = mttjax.make_network(mttjax.NetworkSpec(depth=2, width=16), (8, 8, 1), 10)
    start = jax.device_get(jax.jit(network.init)(jax.random.key(0)))
    target = jax.tree.map(lambda x: x + 0.01 * rng.normal(size=x.shape), start)
    images = rng.normal(size=(10, 8, 8, 1))
    synthetic = mttjax.Synthetic(images, np.eye(10), np.asarray(-3.0))
    batches = np.asarray(mttjax.sample_batches(jax.random.key(2), n=10, steps=10, batch=10))
    return network, synthetic, start, target, batches


def _loss_and_gradient(device, dtype, network, synthetic, start, target, batches):
    """On one device: the loss as a number, the gradient as one vector, in float64."""
    import jax
    import numpy as np

    import mttjax

    augment = lambda key, x: mttjax.dsa(key, x, ops=("color", "cutout"))

    def loss(synthetic, start, target):
        key = jax.random.key(3)
        how = {"batches": batches, "augment": augment, "key": key, "apply": network.apply}
        return mttjax.match_loss(synthetic, start, target, **how)[0]

    with jax.default_device(device):
        arrays = jax.tree.map(lambda x: np.asarray(x, dtype), (synthetic, start, target))
        value, gradient = jax.jit(jax.value_and_grad(loss))(*jax.device_put(arrays, device))
        if value.devices() != {device}:
            raise RuntimeError(f"computed on {value.devices()} instead of {device}")
    leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(gradient)]
    return float(value), np.concatenate(leaves)


def _difference(one, two):
    import numpy as np

    (loss, gradient), (other_loss, other) = one, two
    return {
        "loss": abs(loss - other_loss) / abs(loss),
        "gradient": float(np.linalg.norm(gradient - other) / np.linalg.norm(gradient)),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
