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

    def over(self, data):
        """A preset's ``Data`` with what is given here in its place."""
        download = self.download or data.download
        return dataclasses.replace(data, dir=self.dir or data.dir, download=download)
