"""What a user sees of a run: grids of images, curves, tables, a page."""

from mttjax.reporting.curves import save_curves, save_expert_curves
from mttjax.reporting.grids import save_grid, save_views
from mttjax.reporting.page import write_page
from mttjax.reporting.tables import markdown_table, percent, print_table
from mttjax.system.metrics import read_metrics

__all__ = [
    "markdown_table",
    "percent",
    "print_table",
    "read_metrics",
    "save_curves",
    "save_expert_curves",
    "save_grid",
    "save_views",
    "write_page",
]
