"""One seed, many streams: none of them begins as another does, and neither do their places."""

import itertools

import jax
import numpy as np
import pytest

from mttjax.system import seeds

PLACES = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
SEEDS = (0, 1, 2**32 - 1)


def first_draws():
    """(stream, seed, place) -> what it begins with; NumPy's bare seeds, as users take them, too."""
    for stream, seed, at in itertools.product(seeds.STREAMS, SEEDS, PLACES):
        yield (stream, seed, *at), seeds.rng(stream, seed, *at).integers(2**62, size=2)
    for bare in (0, 1, [0, 0], [0, 1], [1, 0]):
        yield ("bare", str(bare)), np.random.default_rng(bare).integers(2**62, size=2)


def keys():
    for stream, seed, at in itertools.product(seeds.STREAMS, SEEDS, PLACES):
        yield (stream, seed, *at), jax.random.key_data(seeds.key(stream, seed, *at))
    for seed in SEEDS:
        bare = jax.random.key(seed)
        yield ("bare", seed), jax.random.key_data(bare)
        for n in range(4):
            yield ("folded", seed, n), jax.random.key_data(jax.random.fold_in(bare, n))


@pytest.mark.parametrize("draws", [first_draws, keys])
def test_no_two_streams_and_no_two_places_begin_alike(draws):
    begun, same = {}, []
    for name, values in draws():
        begun.setdefault(tuple(np.asarray(values).tolist()), []).append(name)
    same = [names for names in begun.values() if len(names) > 1]
    # NumPy drops the zeros at the end of a bare seed; that is why there are streams.
    assert same in ([], [[("bare", "0"), ("bare", "[0, 0]")], [("bare", "1"), ("bare", "[1, 0]")]])


def test_a_stream_is_the_same_again():
    assert seeds.rng("pairs", 3, 7).random() == seeds.rng("pairs", 3, 7).random()
    assert (seeds.key("experts", 3, 7) == seeds.key("experts", 3, 7)).all()


def test_a_stream_must_have_a_name():
    with pytest.raises(ValueError, match="'pears' is no random stream; there are validation_split"):
        seeds.rng("pears", 0)


def test_all_that_is_drawn_is_drawn_from_a_stream(pytestconfig):
    """No generator is made and no key is begun anywhere else, but for the digits' constant."""
    package = pytestconfig.rootpath / "mttjax"
    made = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text().splitlines()
        if ("default_rng(" in line or "random.key(" in line or "PRNGKey(" in line)
        and path.name not in ("seeds.py", "own.py")  # which tries what a network is, on anything
        and not line.lstrip().startswith(("#", '"', "`"))
    ]
    assert all("default_rng(0)" in line or "eval_shape" in line for line in made), made
