"""Which experts a set was made with, and which of a store it has never seen."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mttjax.config.methods import MATCHING, METHODS, NEED_EXPERTS
from mttjax.datasets.dataset import Dataset
from mttjax.distilled import DistilledSet
from mttjax.experts.store import ExpertStore
from mttjax.paper.figures.plans import Walks
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole

__all__ = ["as_distilled", "require_fitting", "require_held_out", "used_experts", "whole_at"]


def as_distilled(walks: Walks, distilled: DistilledSet) -> Walks:
    """The walks with M and B of the set's distillation, where they are not given."""
    epochs, batch = (
        getattr(walks, name) or whole_at(distilled.settings, "distill", name)
        for name in ("expert_epochs", "batch")
    )
    return dataclasses.replace(walks, expert_epochs=epochs, batch=batch)


def require_fitting(distilled: DistilledSet, store: ExpertStore, dataset: Dataset) -> None:
    """Raises ``InputError`` unless set, experts and real images belong together."""
    recipe = store.recipe
    store.require(recipe, dataset)
    kinds = (store.preprocessing.kind, distilled.preprocessing.kind)
    arrays = zip(store.preprocessing, distilled.preprocessing, strict=kinds[0] == kinds[1])
    if recipe.network != distilled.network:
        what = f"networks are {recipe.network} and the set's is {distilled.network}"
    elif kinds[0] != kinds[1] or not all(np.array_equal(a, b) for a, b in arrays):
        what = f"preprocessing {kinds[0]} is not the set's ({kinds[1]}), or its arrays differ"
    else:
        return
    raise InputError(f"{store.folder}: the experts' {what}; give experts of the set's own recipe")


def used_experts(
    distilled: DistilledSet, store: ExpertStore, metrics: Iterable[Mapping[str, Any]] = ()
) -> set[int]:
    """The numbers of the experts that a set was made with.

    Args:
      distilled: the set, whose settings tell of them.
      store: the experts that it was made with.
      metrics: the run's, where they are there: experts that it drew from an earlier state of
        the store count too.

    Raises:
      InputError: the set does not say how it was made.
    """
    settings = distilled.settings
    method = settings.get("method")
    if method in METHODS and method not in NEED_EXPERTS:
        return set()
    if method in METHODS and method not in MATCHING:
        return {whole_at(settings, "distill", "expert") or 0}
    count = whole_at(settings, "experts", "count")
    if count is None:
        raise InputError("the set does not say which experts it was made with")
    drawn = (record.get("experts", ()) for record in metrics)
    return (set(store.numbers()) & set(range(count))).union(*drawn)


def whole_at(settings: object, *names: str) -> int | None:
    """The whole number at a path of a stranger's settings, or None."""
    for name in names:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings if isinstance(settings, int) and is_whole(settings) else None


def require_held_out(
    held_out: Sequence[int], last: int, store: ExpertStore, used: set[int]
) -> None:
    """Raises ``InputError`` where an expert is among the used, or has no epoch ``last``."""
    listed = lambda numbers: " ".join(map(str, numbers)) or "none"
    ready = store.experts_with(last)
    free = f"Free and trained to epoch {last} there: {listed(e for e in ready if e not in used)}"
    if taken := sorted(used.intersection(held_out)):
        raise InputError(
            f"held_out is {listed(taken)}: the set was distilled with these experts. {free}. "
            "Train more with train_experts, or allow those that it has seen"
        )
    if missing := [e for e in held_out if e not in ready]:
        has = ", ".join(f"{e} to epoch {store.epochs_done(e) - 1}" for e in missing)
        has = has.replace("to epoch -1", "not at all")
        raise InputError(
            f"held_out is {listed(missing)}: epoch {last} is needed, and {store.folder} has "
            f"{has}. {free}. Train more with train_experts, or take earlier starts"
        )
