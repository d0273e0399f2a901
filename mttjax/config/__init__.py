"""Every setting: what it is, what it may be, and the presets.

A preset's file, ours or a user's, imports from here and from nowhere else.
"""

from mttjax.config.fitting import fit_to_data
from mttjax.config.methods import DD, LD, MTT, Condensation, Forgetting, Selection
from mttjax.config.presets import preset_row
from mttjax.config.protocol import Protocol
from mttjax.config.recipe import Recipe
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.network_spec import NetworkSpec
from mttjax.datasets.catalogue import IMAGENET_SUBSETS

__all__ = [
    "DD",
    "IMAGENET_SUBSETS",
    "LD",
    "MTT",
    "Condensation",
    "Data",
    "Experts",
    "Forgetting",
    "NetworkSpec",
    "Protocol",
    "Recipe",
    "Run",
    "Selection",
    "Settings",
    "fit_to_data",
    "preset_row",
]
