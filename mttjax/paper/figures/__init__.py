"""The paper's figures, each as data and a picture (Cazenavette et al., CVPR 2022, section 4)."""

from mttjax.paper.figures.cost import draw_cost
from mttjax.paper.figures.distance import Walks, draw_distance
from mttjax.paper.figures.grid import draw_grid
from mttjax.paper.figures.range import Sweep, draw_range

__all__ = ["Sweep", "Walks", "draw_cost", "draw_distance", "draw_grid", "draw_range"]
