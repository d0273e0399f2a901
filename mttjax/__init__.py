"""Dataset distillation by matching training trajectories (MTT), in JAX.

Shape letters, used in every docstring: ``N`` synthetic images in all, ``B`` inner
batch, ``S`` student steps, ``M`` expert epochs to the target, ``K`` classes, ``E``
experts, ``T`` epochs of an expert; images are [..., H, W, C].
"""

import importlib

_HOME = {
    "InputError": "errors",
    "Synthetic": "synthetic",
    "convolve": "convolution",
    "NetworkSpec": "networks",
    "make_network": "networks",
    "parameter_count": "networks",
    "dsa": "augmentation",
    "fit_preprocessing": "preprocessing",
    "sample_batches": "unrolling",
    "unroll": "unrolling",
    "match_loss": "objectives.trajectory",
    "gradient_match_loss": "objectives.gradient",
    "mean_feature_loss": "objectives.distribution",
    "feature_alignment_loss": "objectives.distribution",
    "terminal_loss": "objectives.meta",
    "label_robust_score": "robustness",
    "augmentation_robust_score": "robustness",
    "load_dataset": "datasets",
    "ExpertStore": "expert_store",
    "train_experts": "experts",
    "DistilledSet": "distilled",
    "load_distilled": "distilled",
    "save_distilled": "distilled",
    "export_pngs": "distilled",
    "Evaluator": "evaluating",
    "Protocol": "evaluating",
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
