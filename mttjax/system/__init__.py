"""This machine, its disk and its user: nothing here knows of images."""
