"""From settings to a folder: prepared once, handed on whole, kept."""
