"""Networks of one's own: a flax module, or a pair of functions, by its file or from a program.

A network is a function ``make(classes, image_shape)``, which returns a ``flax.linen`` module; or
``(init, apply)``; or ``(init, apply, layers)``, as ``Network`` has them. A module may have a method
``layers(images) -> Layers``. A ``NetworkSpec`` calls it ``FILE.py:FUNCTION@CHECKSUM``.
"""

import inspect
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mttjax.core.network_spec import NetworkSpec
from mttjax.core.networks.layers import Layers
from mttjax.core.types import Params
from mttjax.system.errors import InputError
from mttjax.system.programs import checksum_of, is_trusted, refusing_faults, run_file, trust

__all__ = ["OwnModule", "own_module", "own_network", "sees_images_alone"]

_PROGRAM = "program"
_MADE: dict[str, Callable] = {}
"""By their names in a ``NetworkSpec``: functions of this program, and of files that were run."""


def own_network(
    network: str | Callable[[int, tuple[int, ...]], Any],
    *,
    name: str | None = None,
    precision: str = "float32",
) -> NetworkSpec:
    """The description of a network of one's own, for ``Recipe``, ``Settings`` and sets.

    Args:
      network: ``"FILE.py:FUNCTION"``; or the function itself, which other programs then do not
        find by itself: they call this with it too.
      name: what the function is called; None: by its own name.
      precision: as that of ``NetworkSpec``.

    Raises:
      InputError: no such file, or not of that form.
    """
    if callable(network):
        called = name or getattr(network, "__name__", type(network).__name__)
        spec = NetworkSpec(f"{_PROGRAM}:{called}@{_checksum(network)}", precision=precision)  # type: ignore[arg-type]
        _MADE[spec.name] = network
        return spec
    path, _, function = network.rpartition(":")
    if not path or not function.isidentifier():
        raise InputError(f"network is {network!r}: give FILE.py:FUNCTION, such as net.py:make")
    checksum = checksum_of(Path(path))
    trust(checksum)
    return NetworkSpec(f"{path}:{function}@{checksum}", precision=precision)  # type: ignore[arg-type]


def _checksum(function):
    """Of its source, where Python has it."""
    try:
        return f"{zlib.crc32(inspect.getsource(function).encode()):08x}"
    except (OSError, TypeError):
        return "unknown"


class OwnModule(NamedTuple):
    """A network of one's own, used as a module of flax is."""

    name: str
    path: Path | None
    """Its file."""
    begin: Callable[[jax.Array, jax.Array], Params]
    """``begin(key, images) -> params``"""
    logits: Callable[[Params, jax.Array], jax.Array]
    find_layers: Callable[[Params, jax.Array], Layers] | None

    def init(self, key: jax.Array, images: jax.Array) -> dict[str, Params]:
        """Its parameters, as ``{"params": params}``."""
        with self._refusing_faults():
            params = self.begin(key, images)
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
        if not leaves or not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves):
            raise InputError(f"{self.name}: its parameters are not all arrays of floats, or none")
        return {"params": params}

    def apply(
        self, variables: dict[str, Params], images: jax.Array, *, with_layers: bool = False
    ) -> jax.Array | Layers:
        """[B, K] logits, or the layers."""
        if not with_layers:
            with self._refusing_faults():
                return self.logits(variables["params"], images)
        if self.find_layers is None:
            raise InputError(
                f"{self.name} does not say what its layers are, which this method looks at: give "
                "the module a method layers(images), or the pair a third function "
                "layers(params, images), that returns mttjax.Layers(blocks, embedding)"
            )
        with self._refusing_faults():
            return self.find_layers(variables["params"], images)

    def _refusing_faults(self):
        return refusing_faults(self.name, self.path)


@lru_cache(maxsize=32)
def own_module(name: str, image_shape: tuple[int, ...], classes: int) -> OwnModule:
    """The network that a ``NetworkSpec`` calls so, for images [H, W, C] and K classes.

    Its file is run where the user has named it once as a network, and its content is as it was.

    Raises:
      InputError: no such file, one that was changed or never named, no such function, or one that
        returns something else; an error in it.
    """
    make, path = _MADE.get(name) or _from_file(name), _parts(name)[0]
    with refusing_faults(name, path):
        network = make(classes, image_shape)
    module = _as_module(network, name, path)
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32)
    variables = jax.eval_shape(module.init, jax.random.key(0), images)
    found = jax.eval_shape(module.apply, variables, images)
    shape = getattr(found, "shape", type(found).__name__)
    if shape != (2, classes):
        raise InputError(
            f"{name}: of two images {image_shape} its logits are {shape}, expected (2, {classes})"
        )
    return module


def _parts(name):
    where, _, checksum = name.rpartition("@")
    path, _, function = where.rpartition(":")
    return (None if path == _PROGRAM else Path(path)), function, checksum


def _from_file(name):
    path, function, checksum = _parts(name)
    again = f"Give the network as --network FILE.py:{function}, or in a program to own_network"
    if path is None:
        raise InputError(
            f"the network {name} is a function of another program: give the function {function} "
            "to own_network before"
        )
    if not path.is_file():
        raise InputError(f"the network {name} is not there: no file {path}. {again}")
    if (found := checksum_of(path)) != checksum:
        raise InputError(
            f"the network {name}: {path} was changed, its checksum is {found}. Take the file as it "
            f"was. To have another network: {again[0].lower()}{again[1:]}"
        )
    if not is_trusted(checksum):
        raise InputError(
            f"the network {name} is a program that you did not name yet, so it is not run. {again}"
        )
    names = run_file(path)
    if not callable(names.get(function)):
        there = [n for n, v in names.items() if callable(v) and not n.startswith("_")]
        raise InputError(f"{path} has no function {function}; it has {', '.join(there) or 'none'}")
    _MADE[name] = names[function]
    return _MADE[name]


def _as_module(network, name, path):
    if isinstance(network, Sequence) and len(network) in (2, 3) and all(map(callable, network)):
        init, apply, *layers = network
        return OwnModule(name, path, lambda key, _: init(key), apply, *(layers or [None]))
    if not callable(getattr(network, "init", None)) or not callable(
        getattr(network, "apply", None)
    ):
        raise InputError(
            f"{name} returned a {type(network).__name__}, expected a module of flax.linen, or the "
            "functions (init, apply)"
        )

    def begin(key, images):
        variables = dict(network.init(key, images))
        params = variables.pop("params", {})
        if variables:
            raise InputError(
                f"{name} keeps {', '.join(variables)} beside its parameters: a network here is its "
                "parameters alone, without running statistics or other state"
            )
        return params

    of = lambda method: lambda params, x: network.apply({"params": params}, x, method=method)
    layers = of("layers") if hasattr(network, "layers") else None
    return OwnModule(name, path, begin, of(None), layers)


def sees_images_alone(module: OwnModule, image_shape: Sequence[int]) -> bool:
    """Whether an image's logits do not depend on the images beside it: tried with two."""

    @jax.jit
    def change(key):
        # Not at its initialisation, where all logits may be zero.
        variables = module.init(key, jnp.zeros((1, *image_shape), jnp.float32))
        variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
        images = jax.random.normal(key, (2, *image_shape))
        beside_another = module.apply(variables, images.at[1].multiply(-3))[0]
        alone = module.apply(variables, images)[0]
        return jnp.max(jnp.abs(alone - beside_another)), jnp.max(jnp.abs(alone))

    changed, size = change(jax.random.key(0))
    return bool(changed <= 1e-4 * size)
