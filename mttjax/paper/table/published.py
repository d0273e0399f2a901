"""What papers report: test accuracies in per cent, and under which protocol."""

__all__ = ["published_figure", "published_protocols"]

_TABLE: dict[str, dict[str, tuple[float | None, ...]]] = {
    "cifar10": {
        "random": (14.4, 26.0, 43.4),
        "herding": (21.5, 31.6, 40.4),
        "forgetting": (13.5, 23.3, 23.3),
        "dd": (None, 36.8, None),
        "ld": (25.7, 38.3, 42.5),
        "dc": (28.3, 44.9, 53.9),
        "dsa": (28.8, 52.1, 60.6),
        "dm": (26.0, 48.9, 63.0),
        "cafe": (30.3, 46.3, 55.5),
        "cafe_dsa": (31.6, 50.9, 62.3),
        "mtt": (46.3, 65.3, 71.6),
    },
    "cifar100": {
        "random": (4.2, 14.6, 30.0),
        "herding": (8.4, 17.3, 33.7),
        "forgetting": (4.5, 15.1, 30.5),
        "ld": (11.5, None, None),
        "dc": (12.8, 25.2, None),
        "dsa": (13.9, 32.3, 42.8),
        "dm": (11.4, 29.7, 43.6),
        "cafe": (12.9, 27.8, 37.9),
        "cafe_dsa": (14.0, 31.5, 42.9),
        "mtt": (24.3, 40.1, 47.7),
    },
    "tiny_imagenet": {
        "random": (1.4, 5.0, 15.0),
        "herding": (2.8, 6.3, 16.7),
        "forgetting": (1.6, 5.1, 15.0),
        "dm": (3.9, 12.9, 24.1),
        "mtt": (8.8, 23.2, 28.0),
    },
    "fashion_mnist": {"dc": (70.5, 82.3, 83.6), "dsa": (70.6, 84.6, 88.7)},
}
"""data set -> method -> figures at 1, 10 and 50 images per class."""

_IPCS = (1, 10, 50)

_FULL_DATA = {"cifar10": 84.8, "cifar100": 56.2, "tiny_imagenet": 37.6}
"""The whole training set, as MTT's paper reports it."""


def published_protocols(dataset: str) -> str:
    """How the figures of a data set that are known here were evaluated, in words."""
    known, words = set(_TABLE.get(dataset, {})), []
    if "mtt" in known:
        words.append(
            "MTT's by 1001 epochs at the learned rate, DSA, the best iteration by test accuracy"
        )
    if known - {"mtt"}:
        words.append("all but MTT's by 300 to 1000 epochs at rate .01")
    return "; ".join(words)


def published_figure(dataset: str, method: str, ipc: int | None) -> float | None:
    """A published accuracy in per cent, or None; ``full_better`` is of the whole training set."""
    if method == "full_better":
        return _FULL_DATA.get(dataset)
    row = _TABLE.get(dataset, {}).get(method)
    return row[_IPCS.index(ipc)] if row and ipc in _IPCS else None
