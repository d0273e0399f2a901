"""What a process that does not write has in the place of a run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Follower"]


class Follower:
    """Keeps nothing: the first process of the run does; see ``loop.Folder``.

    Args:
      path: of the run's folder, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.metrics_log = path, _Unwritten()

    def load_state(self, like: Any, log: Any) -> None:
        """There is none here."""

    def save_state(self, state: Any) -> None:
        """Not here."""


class _Unwritten:
    """As ``Metrics``."""

    def write(self, line: Mapping[str, Any]) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def forget_after(self, step: int) -> None:
        pass
