"""The distilled set: what it holds, its file, and its images as PNGs."""

from mttjax.distilled.distilled_set import DistilledSet
from mttjax.distilled.files import load_distilled, save_distilled
from mttjax.distilled.pngs import export_pngs

__all__ = ["DistilledSet", "export_pngs", "load_distilled", "save_distilled"]
