"""Distilled sets evaluated with any network, and none of them twice: not even after a kill."""

import dataclasses
import hashlib
import json
import zlib
from pathlib import Path

import numpy as np

from mttjax.evaluation.sets import evaluate_set, make_evaluator
from mttjax.system.files import read_kept, write_json
from mttjax.system.provenance import hardware, today, versions

__all__ = ["Scorer"]


class Scorer:
    """Evaluates sets of one dataset under one protocol; what was evaluated is kept.

    Args:
      dataset: the sets' ``Dataset``.
      protocol: a ``Protocol``.
      seed: decides the networks.
      folder: where results are kept, a JSON file each, named by all that decides it; None:
        for as long as this object lives.
      log: called with a line per result.
    """

    def __init__(self, dataset, protocol, *, seed=0, folder=None, log=print):
        self.dataset, self.protocol, self.seed, self.log = dataset, protocol, seed, log
        self._folder = None if folder is None else Path(folder)
        self._evaluators, self._kept = {}, {}
        test = map(np.ascontiguousarray, dataset.test)
        self._decided = {
            "protocol": dataclasses.asdict(protocol),
            "seed": seed,
            "test": [zlib.crc32(array) for array in test],
        }

    def __call__(self, distilled, *, name, network=None):
        """Accuracies of fresh networks trained on a set at the set's own rate.

        Args:
          distilled: a ``DistilledSet``.
          name: for the log and the progress bar.
          network: the ``NetworkSpec`` to train; None: the set's own.

        Returns:
          ``Evaluation.record()``.

        Raises:
          InputError: the set is not of this dataset, or the network does not fit its images.
        """
        network = network or distilled.network
        way = _way(distilled, network)
        wanted = self._decided | way | {"set": _content(distilled), "lr": distilled.lr}
        key = _digest(wanted)
        score = self._kept.get(key) or self._read(key)
        if score is None:
            evaluator = self._evaluator(distilled, network, _digest(way))
            evaluation = evaluate_set(distilled, evaluator, seed=self.seed, title=name)
            score = evaluation.record()
            self._write(key, {"name": name, "score": score, "of": wanted})
        self._kept[key] = score
        self.log(f"{name}: {100 * score['mean']:.2f} ± {100 * score['std']:.2f} %")
        return score

    def _evaluator(self, distilled, network, way):
        """Compiled once for all sets that are used in one way."""
        if way not in self._evaluators:
            evaluator = make_evaluator(distilled, self.dataset, self.protocol, network)
            self._evaluators[way] = evaluator
        return self._evaluators[way]

    def _read(self, key):
        found = read_kept(self._folder / f"{key}.json", self.log) if self._folder else None
        return (found or {}).get("score")

    def _write(self, key, result):
        if self._folder is not None:
            about = {"date": today(), "hardware": hardware(), "versions": versions()}
            write_json(self._folder / f"{key}.json", result | about)


def _way(distilled, network):
    """How a set is used: all that decides a result but the set's content and rate."""
    return {
        "network": dataclasses.asdict(network),
        "ops": list(distilled.ops),
        "preprocessing": distilled.preprocessing.kind,
        "preprocessing_arrays": _checksum(*distilled.preprocessing),
    }


def _content(distilled):
    return _checksum(distilled.images, distilled.labels)


def _checksum(*arrays):
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        digest.update(repr((array.shape, str(array.dtype))).encode() + array.tobytes())
    return digest.hexdigest()


def _digest(record):
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:24]
