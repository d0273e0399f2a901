"""What each method adds to the one outer loop: its contexts, its gradient, its optimiser."""

from mttjax.distilling.method import Drawn, Method, read_ahead

__all__ = ["Drawn", "Method", "read_ahead"]
