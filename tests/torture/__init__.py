"""What the commands survive: kills, other cores, long runs. ``make torture`` takes an hour."""
