"""The work of mttjax in eager PyTorch, written to be fast: the other side of every comparison."""
