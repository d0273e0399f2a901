"""The distilled set: what it holds, its file, and its images as PNGs.

A set says itself how it is to be used; nothing here knows how it was made.
"""

from mttjax.distilled.files import load_distilled, save_distilled
from mttjax.distilled.pngs import export_pngs
from mttjax.distilled.set import DistilledSet

__all__ = ["DistilledSet", "export_pngs", "load_distilled", "save_distilled"]
