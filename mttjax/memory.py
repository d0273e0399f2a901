"""Whether the machine has the memory that something needs, before any of it is taken."""

import os

from mttjax.errors import InputError

__all__ = ["physical_memory", "require_memory"]


def physical_memory():
    """Bytes of the machine's memory; None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def require_memory(least, what):
    """Refuses what needs more memory than there is, which would end in a kill without a word.

    Args:
      least: bytes that are needed at the very least.
      what: what needs them and what to lower, the begin of the message.

    Raises:
      InputError: it is more than the machine has; both numbers are named.
    """
    has = physical_memory()
    if has is not None and least > has:
        raise InputError(
            f"{what} needs {_gibibytes(least)} of memory at least, and this machine has "
            f"{_gibibytes(has)}"
        )


def _gibibytes(size):
    return f"{size / 2**30:,.1f} GiB"
