"""What experts say of real images: which ones they know, and with what logits (DATM)."""

import jax
import numpy as np

from mttjax.config.methods import MTT
from mttjax.runs.problem import Problem
from mttjax.system.errors import InputError

__all__ = ["ExpertOpinion"]

_PIECE = 256  # images looked at at once


class ExpertOpinion:
    """The experts of a run after the epoch ``label_epoch``, asked for what they see.

    Guo et al., "Towards Lossless Dataset Distillation via Difficulty-Aligned Trajectory
    Matching", ICLR 2024.

    Args:
      problem: of a method that matches trajectories.
    """

    def __init__(self, problem: Problem) -> None:
        distill: MTT = problem.settings.distill
        self._problem = problem
        self._epoch = distill.label_epoch or distill.max_start - 1 + distill.expert_epochs
        self._experts = range(problem.settings.experts.count)
        self._apply = jax.jit(problem.network.apply)

    def _params(self, expert):
        return self._problem.store.load(expert, self._epoch, self._problem.network.shapes)

    def _logits(self, expert, images):
        params = self._params(expert)
        pieces = [images[i : i + _PIECE] for i in range(0, len(images), _PIECE)]
        return np.concatenate([np.asarray(self._apply(params, piece)) for piece in pieces])

    def known_images(self, rng: np.random.Generator, ipc: int) -> np.ndarray:
        """Training images that an expert classifies correctly, without augmentation.

        Every class is gone through in random order until there are enough; the images that expert 0
        does not know are shown to the next, and so on.

        Args:
          rng: decides the order.
          ipc: images wanted of each class.

        Returns:
          Their indices [ipc·K], class by class.

        Raises:
          InputError: a class of which all experts together know fewer.
        """
        labels, names = self._problem.dataset.train.labels, self._problem.dataset.class_names
        chosen: list[int] = []
        for label, name in enumerate(names):
            known = self._known_of_class(rng.permutation(np.flatnonzero(labels == label)), ipc)
            if len(known) < ipc:
                raise InputError(
                    f"ipc is {ipc}: {len(self._experts)} experts know {len(known)} images of class "
                    f"{name} after epoch {self._epoch}. Begin with real images of any kind "
                    "(distill.initial real), or ask after a later epoch (distill.label_epoch)"
                )
            chosen += known
        return np.array(chosen)

    def _known_of_class(self, left, ipc):
        """Up to ``ipc`` of the images ``left``: those that expert 0 knows, then the next one's."""
        known: list[int] = []
        for expert in self._experts:
            params, unknown = self._params(expert), []
            for begin in range(0, len(left), _PIECE):
                piece = left[begin : begin + _PIECE]
                right = self._right(params, piece)
                known += piece[right].tolist()
                unknown.append(piece[~right])
                if len(known) >= ipc:
                    return known[:ipc]
            left = np.concatenate(unknown)
        return known

    def _right(self, params, indices):
        """Whether each of some training images is classified correctly."""
        images, labels = self._problem.dataset.train
        logits = self._apply(params, self._problem.preprocessing(images[indices]))
        return np.asarray(logits).argmax(axis=1) == labels[indices]

    def mean_logits(self, images: jax.Array, classes: np.ndarray) -> np.ndarray:
        """[N, K] float32: the mean over the experts that classify an image correctly, or over all
        where none does.

        Args:
          images: [N, H, W, C], normalised.
          classes: [N] int, what they are.
        """
        said = np.stack([self._logits(expert, images) for expert in self._experts])  # [E, N, K]
        right = said.argmax(axis=2) == classes
        trusted = np.where(right.any(axis=0), right, True)[..., None]
        return np.asarray((said * trusted).sum(axis=0) / trusted.sum(axis=0), np.float32)
