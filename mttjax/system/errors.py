"""The one exception that the commands show as a message instead of a traceback."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Something given from outside is at fault: a value, a file, a folder.

    The message names what was given, what was expected, and the remedy. Library
    callers catch it as the ``ValueError`` it is; the commands print it and leave
    with status 2.
    """
