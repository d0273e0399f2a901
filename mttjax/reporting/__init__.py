"""What a user sees: grids of images, curves, tables and pages of what it is handed.

Nothing here knows where a set, a run or a store comes from.
"""

from mttjax.reporting.curves import expert_curves, run_curves, save_expert_curves
from mttjax.reporting.grids import save_grid, save_views
from mttjax.reporting.page import page, write_page
from mttjax.reporting.pictures import images_of
from mttjax.reporting.tables import class_table, markdown_table, percent, print_table

__all__ = [
    "class_table",
    "expert_curves",
    "images_of",
    "markdown_table",
    "page",
    "percent",
    "print_table",
    "run_curves",
    "save_expert_curves",
    "save_grid",
    "save_views",
    "write_page",
]
