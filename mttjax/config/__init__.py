"""Every setting: what it is, what it may be, and the presets.

A preset's file, ours or a user's, imports from here and from nowhere else.
"""

from mttjax.config.methods import Condense, Distill, LearnLabels, LearnThrough, Select
from mttjax.config.presets import preset_row
from mttjax.config.protocol import Protocol
from mttjax.config.settings import Data, Experts, Run, Settings
from mttjax.core.networks import NetworkSpec

__all__ = [
    "Condense",
    "Data",
    "Distill",
    "Experts",
    "LearnLabels",
    "LearnThrough",
    "NetworkSpec",
    "Protocol",
    "Run",
    "Select",
    "Settings",
    "preset_row",
]
