"""What goes to TensorBoard and to Weights & Biases: numbers, pictures and histograms of steps."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mttjax.system.errors import InputError

__all__ = ["TRACKERS", "TensorBoard", "Tracker", "WeightsAndBiases"]


class Tracker(Protocol):
    """Where a run is watched."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        """Looks for its package, and begins nothing.

        Args:
          folder: what it writes is in a folder of its own there.
          name: of the run.
          settings: JSON values.

        Raises:
          InputError: the package is not installed.
        """

    def begin(self, step: int) -> None:
        """From now on steps after ``step`` come; what was told of them by an earlier run is void.

        It may be called again.
        """

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step, by name."""

    def images(self, step: int, grid: np.ndarray, pixels: np.ndarray) -> None:
        """A picture of all images, [height, width, 3] uint8, and their numbers, float32 of any
        shape, of which a histogram is shown; from any thread."""

    def flush(self) -> None:
        """Brings what was told to the disk."""

    def close(self) -> None:
        """Nothing more comes."""


class TensorBoard:
    """Event files in ``tensorboard/``, which ``tensorboard --logdir FOLDER`` shows."""

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self._package = _imported("tensorboardX", "tensorboard")
        self._folder = folder / "tensorboard"
        self._writer: Any = None

    def begin(self, step: int) -> None:
        self.close()
        first = step + 1  # what earlier files say of steps from this one on is not shown
        self._writer = self._package.SummaryWriter(
            str(self._folder), purge_step=first, filename_suffix=f".{first}"
        )

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def images(self, step: int, grid: np.ndarray, pixels: np.ndarray) -> None:
        self._writer.add_image("images", grid, step, dataformats="HWC")
        self._writer.add_histogram("pixels", pixels.ravel(), step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class WeightsAndBiases:
    """A run of the project ``mttjax``, in ``wandb/``; kept there for ``wandb sync`` unless the
    environment says ``WANDB_MODE=online``.

    What goes on is a run of its own, of the same group: one that is kept on disk has no way back.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it goes to its makers
        self._package = _imported("wandb", "wandb")
        self._folder, self._name, self._settings = folder, name, settings
        self._run: Any = None

    def begin(self, step: int) -> None:
        self.close()
        self._run = self._package.init(
            project=os.environ.get("WANDB_PROJECT", "mttjax"),
            group=self._name,
            name=f"{self._name} from step {max(0, step)}",
            config=dict(self._settings),
            dir=str(self._folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=self._package.Settings(silent=True, console="off"),
        )
        # By a number of its own: pictures of a step come when the next ones have been told.
        self._run.define_metric("*", step_metric="step")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({**values, "step": step})

    def images(self, step: int, grid: np.ndarray, pixels: np.ndarray) -> None:
        shown, counts = self._package.Image(grid), self._package.Histogram(pixels.ravel())
        self._run.log({"images": shown, "pixels": counts, "step": step})

    def flush(self) -> None:
        """Its own process writes at once."""

    def close(self) -> None:
        if self._run is not None:
            self._run.finish()


TRACKERS: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases}
"""By the names that settings have for them."""


def _imported(package, name):
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise InputError(
            f"log is {name}: the package {package} is missing; install it with: pip install "
            f"{package}"
        ) from error
