"""Dataset distillation by matching training trajectories (MTT), in JAX.

Shape letters, used in every docstring: ``N`` synthetic images in all, ``B`` inner
batch, ``S`` student steps, ``M`` expert epochs to the target, ``K`` classes, ``E``
experts, ``T`` epochs of an expert, ``R`` real images, ``P`` pairs of snapshots per outer
step; images are [..., H, W, C].
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.4.0"

if TYPE_CHECKING:
    from mttjax.config import (
        DD,
        LD,
        MTT,
        Condensation,
        Data,
        Experts,
        Forgetting,
        NetworkSpec,
        Protocol,
        Recipe,
        Run,
        Selection,
        Settings,
    )
    from mttjax.config.fitting import fit_to_data
    from mttjax.config.presets import load_preset
    from mttjax.core.augmentation import dsa
    from mttjax.core.convolution import convolve
    from mttjax.core.networks import Layers, Network, make_network, own_network, parameter_count
    from mttjax.core.objectives import (
        feature_alignment_loss,
        gradient_match_loss,
        match_loss,
        mean_feature_loss,
        terminal_loss,
    )
    from mttjax.core.preprocessing import ZCA, Standardize, fit_preprocessing
    from mttjax.core.selection import random_selection
    from mttjax.core.synthetic import Synthetic, make_synthetic, one_hot_labels
    from mttjax.core.unrolling import sample_batches, unroll
    from mttjax.datasets.dataset import Dataset, Split
    from mttjax.datasets.loading import load_dataset
    from mttjax.distilled import DistilledSet, export_pngs, load_distilled, save_distilled
    from mttjax.distilling.pairs import ExpertPairs
    from mttjax.evaluation import Evaluation, Evaluator, evaluate
    from mttjax.evaluation.robustness import augmentation_robust_score, label_robust_score
    from mttjax.experts.store import ExpertStore
    from mttjax.experts.training import train_experts
    from mttjax.runs.folder import RunFolder
    from mttjax.runs.workflows import distill, run_experts
    from mttjax.system.errors import InputError

_PUBLIC = {
    "config": "DD LD MTT Condensation Data Experts Forgetting NetworkSpec Protocol Recipe Run "
    "Selection Settings",
    "config.fitting": "fit_to_data",
    "config.presets": "load_preset",
    "core.augmentation": "dsa",
    "core.convolution": "convolve",
    "core.networks": "Layers Network make_network own_network parameter_count",
    "core.objectives": "feature_alignment_loss gradient_match_loss match_loss mean_feature_loss "
    "terminal_loss",
    "core.preprocessing": "ZCA Standardize fit_preprocessing",
    "core.selection": "random_selection",
    "core.synthetic": "Synthetic make_synthetic one_hot_labels",
    "core.unrolling": "sample_batches unroll",
    "datasets.dataset": "Dataset Split",
    "datasets.loading": "load_dataset",
    "distilled": "DistilledSet export_pngs load_distilled save_distilled",
    "distilling.pairs": "ExpertPairs",
    "evaluation": "Evaluation Evaluator evaluate",
    "evaluation.robustness": "augmentation_robust_score label_robust_score",
    "experts.store": "ExpertStore",
    "experts.training": "train_experts",
    "runs.folder": "RunFolder",
    "runs.workflows": "distill run_experts",
    "system.errors": "InputError",
}
"""module -> the public names that are imported from it when they are first used."""

_HOME = {name: module for module, names in _PUBLIC.items() for name in names.split()}

__all__ = [
    "DD",
    "LD",
    "MTT",
    "ZCA",
    "Condensation",
    "Data",
    "Dataset",
    "DistilledSet",
    "Evaluation",
    "Evaluator",
    "ExpertPairs",
    "ExpertStore",
    "Experts",
    "Forgetting",
    "InputError",
    "Layers",
    "Network",
    "NetworkSpec",
    "Protocol",
    "Recipe",
    "Run",
    "RunFolder",
    "Selection",
    "Settings",
    "Split",
    "Standardize",
    "Synthetic",
    "__version__",
    "augmentation_robust_score",
    "convolve",
    "distill",
    "dsa",
    "evaluate",
    "export_pngs",
    "feature_alignment_loss",
    "fit_preprocessing",
    "fit_to_data",
    "gradient_match_loss",
    "label_robust_score",
    "load_dataset",
    "load_distilled",
    "load_preset",
    "make_network",
    "make_synthetic",
    "match_loss",
    "mean_feature_loss",
    "one_hot_labels",
    "own_network",
    "parameter_count",
    "random_selection",
    "run_experts",
    "sample_batches",
    "save_distilled",
    "terminal_loss",
    "train_experts",
    "unroll",
]


def __getattr__(name: str) -> object:
    """Imports a public name when it is first used: ``import mttjax`` alone stays instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'mttjax' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"mttjax.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
