"""The option of every command that needs the real images of a set or a preset."""

import dataclasses

__all__ = ["RealData"]


@dataclasses.dataclass(frozen=True)
class RealData:
    """Where the real images are, if not in the package or prepared by TFDS."""

    dir: str | None = None
    """The folder of archives, prepared TFDS data or images; for `arrays` the .npz."""
    download: bool = False
    """Fetch what is missing. Nothing is ever downloaded otherwise."""
