"""What happens when things go wrong: kills, faults, bad input, long runs. ``make torture``."""
