"""Which experts a set was made with, and how the experts of a store were trained."""

import numpy as np

from mttjax.config.methods import METHODS
from mttjax.experts.recipe import recipe_of, recipe_record
from mttjax.system.errors import InputError
from mttjax.system.fields import is_whole
from mttjax.system.metrics import read_metrics

__all__ = ["require_fitting", "require_held_out", "used_experts"]

_LOOKS_AT_ONE = ("herding", "k_center", "forgetting")


def require_fitting(distilled, store, dataset):
    """Raises ``InputError`` unless set, experts and real images belong together."""
    recipe = recipe_of(store)
    store.require(recipe_record(recipe, dataset))
    kinds = (store.preprocessing.kind, distilled.preprocessing.kind)
    arrays = zip(store.preprocessing, distilled.preprocessing, strict=kinds[0] == kinds[1])
    if recipe.network != distilled.network:
        what = f"networks are {recipe.network} and the set's is {distilled.network}"
    elif kinds[0] != kinds[1] or not all(np.array_equal(a, b) for a, b in arrays):
        what = f"preprocessing {kinds[0]} is not the set's ({kinds[1]}), or its arrays differ"
    else:
        return
    raise InputError(
        f"--experts {store.folder}: the experts' {what}; give experts of the set's own recipe"
    )


def used_experts(distilled, store, metrics_path):
    """The numbers of the experts that a set was made with.

    They follow from the set's settings; where the run's metrics are there, those that it drew
    from this store or an earlier state of it count too.

    Args:
      distilled: a ``DistilledSet``.
      store: the ``ExpertStore`` that it was made with.
      metrics_path: where the run's ``metrics.jsonl`` would be.

    Raises:
      InputError: the set does not say how it was made.
    """
    settings = distilled.settings
    method = settings.get("method")
    if method in _LOOKS_AT_ONE:
        return {whole_at(settings, "distill", "expert") or 0}
    if isinstance(method, str) and method in METHODS and method != "mtt":
        return set()
    count = whole_at(settings, "experts", "count")
    if count is None:
        raise InputError(
            "the set does not say which experts it was made with (settings experts.count); with "
            "--allow-used all may be taken"
        )
    used = set(store.numbers()) & set(range(count))
    records = read_metrics(metrics_path) if metrics_path.exists() else []
    return used.union(*(record.get("experts", ()) for record in records))


def whole_at(settings, *names):
    """The whole number at a path of a stranger's settings, or None."""
    for name in names:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings if is_whole(settings) else None


def require_held_out(held_out, last, store, used):
    """Checks the experts asked for.

    Args:
      held_out: their numbers.
      last: the last epoch that is read of them.
      store: an ``ExpertStore``.
      used: the numbers of those that may not be taken.

    Raises:
      InputError: one was used, or lacks epochs.
    """
    asked = lambda numbers: " ".join(map(str, numbers))
    ready = store.experts_with(last)
    free = asked(e for e in ready if e not in used) or "none"
    taken = sorted(used.intersection(held_out))
    # Enough for all that are asked for, and for another where one of them is taken.
    count = max((*held_out, *used)) + (2 if taken else 1)
    remedy = (
        f"Free and trained to epoch {last} there: {free}. Train more with bin/train_experts "
        f"--experts.count {count} --experts.epochs {last}"
    )
    if taken:
        raise InputError(
            f"--held-out {asked(taken)}: the set was distilled with these experts. {remedy}, or "
            "compare with the experts it has seen by --allow-used"
        )
    if missing := [e for e in held_out if e not in ready]:
        has = ", ".join(f"{e} to epoch {store.epochs_done(e) - 1}" for e in missing)
        has = has.replace("to epoch -1", "not at all")
        raise InputError(
            f"--held-out {asked(missing)}: epoch {last} is needed, and {store.folder} has "
            f"{has}. {remedy}, or take earlier --starts"
        )
