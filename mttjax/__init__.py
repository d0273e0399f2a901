"""Dataset distillation by matching training trajectories (MTT), in JAX.

Shape letters, used in every docstring: ``N`` synthetic images in all, ``B`` inner
batch, ``S`` student steps, ``M`` expert epochs to the target, ``K`` classes, ``E``
experts, ``T`` epochs of an expert; images are [..., H, W, C].
"""

import importlib

__version__ = "0.4.0"

_HOME = {
    "InputError": "system.errors",
    "Synthetic": "core.synthetic",
    "convolve": "core.convolution",
    "NetworkSpec": "core.networks",
    "make_network": "core.networks",
    "parameter_count": "core.networks",
    "dsa": "core.augmentation",
    "fit_preprocessing": "core.preprocessing",
    "sample_batches": "core.unrolling",
    "unroll": "core.unrolling",
    "match_loss": "core.objectives",
    "gradient_match_loss": "core.objectives",
    "mean_feature_loss": "core.objectives",
    "feature_alignment_loss": "core.objectives",
    "terminal_loss": "core.objectives",
    "label_robust_score": "evaluation.robustness",
    "augmentation_robust_score": "evaluation.robustness",
    "load_dataset": "datasets",
    "ExpertStore": "experts.store",
    "train_experts": "experts.training",
    "DistilledSet": "distilled",
    "load_distilled": "distilled",
    "save_distilled": "distilled",
    "export_pngs": "distilled",
    "Evaluator": "evaluation.evaluator",
    "Protocol": "config.protocol",
}

__all__ = [
    "DistilledSet",
    "Evaluator",
    "ExpertStore",
    "InputError",
    "NetworkSpec",
    "Protocol",
    "Synthetic",
    "augmentation_robust_score",
    "convolve",
    "dsa",
    "export_pngs",
    "feature_alignment_loss",
    "fit_preprocessing",
    "gradient_match_loss",
    "label_robust_score",
    "load_dataset",
    "load_distilled",
    "make_network",
    "match_loss",
    "mean_feature_loss",
    "parameter_count",
    "sample_batches",
    "save_distilled",
    "terminal_loss",
    "train_experts",
    "unroll",
]


def __getattr__(name):
    """Imports a public name when it is first used: ``import mttjax`` alone stays instant."""
    if name not in _HOME:
        raise AttributeError(f"module 'mttjax' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"mttjax.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
