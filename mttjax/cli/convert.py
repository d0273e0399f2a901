"""``mttjax convert``: files of the published PyTorch code and of others, in and out."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mttjax.cli.messages import messages
from mttjax.cli.options import RealData, require_folder
from mttjax.config.recipe import Operation
from mttjax.system.fields import COUNT, COUNT_OR_ZERO, POSITIVE, Checked, Range

__all__ = ["ExportExperts", "ExportSet", "ImportExperts", "ImportOptions", "ImportSet", "main"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportOptions(Checked):
    """What the files do not say."""

    config: str
    """The preset of the data set, by its name or the path of one."""
    preprocessing: Literal["standardize", "zca"]
    """How the images were normalised."""
    ops: tuple[Operation, ...]
    """The operations of DSA that networks were trained with; nothing after it for none."""
    network: str
    """The network, such as convnet, or with changes: convnet-d4, convnet-w64-batch."""
    data: RealData = dataclasses.field(default_factory=RealData)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportSet(ImportOptions):
    """images_best.pt and labels_best.pt, a res_*.pt or IDC's data.pt into a distilled set."""

    images: tyro.conf.Positional[Path]
    """images_best.pt, ema_images_best.pt, res_METHOD_DATASET_NET_nipc.pt or data.pt."""
    labels: Path | None = None
    """labels_best.pt or ema_labels_best.pt: classes, logits or probabilities."""
    lr: str
    """The student's rate: a number, or lr_best.pt."""
    experiment: Annotated[int | None, COUNT_OR_ZERO] = None
    """Which one of a res_*.pt, from 0. None: the last."""
    factor: Annotated[int | None, Range(1, 16)] = None
    """How many images a side an image of IDC's data.pt holds: its factor."""
    to: Path
    """The set to write, an .npz."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportExperts(ImportOptions):
    """replay_buffer_*.pt into an expert store."""

    buffers: tyro.conf.Positional[tuple[Path, ...]]
    """The files."""
    lr: Annotated[float, POSITIVE]
    """The rate that the experts were trained at."""
    batch: Annotated[int, COUNT] = 256
    """Real images per gradient step of their training."""
    check: bool = False
    """Print the test accuracy of the last snapshots: near chance, something above is wrong."""
    to: Path
    """The folder of the store to make."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportSet(Checked):
    """A distilled set into the files that others read."""

    set: tyro.conf.Positional[Path]
    """A distilled set, an .npz."""
    layout: Literal["mtt", "datm", "dc", "idc", "dcbench", "ddranking", "huggingface"]
    """mtt: images, classes and rate; datm: with logits as labels; dc: a res_*.pt; idc: a data.pt;
    the folders of DC-BENCH; the input of DD-Ranking and a run.py; a folder that Hugging Face's
    datasets loads."""
    to: Path
    """The folder to write to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportExperts(Checked):
    """An expert store into replay_buffer_*.pt."""

    store: tyro.conf.Positional[Path]
    """The folder of the store."""
    per_file: Annotated[int, COUNT] = 10
    """Experts in a file."""
    to: Path
    """The folder to write to."""


USES = (
    Annotated[ImportSet, tyro.conf.subcommand("import-set")]
    | Annotated[ImportExperts, tyro.conf.subcommand("import-experts")]
    | Annotated[ExportSet, tyro.conf.subcommand("export-set")]
    | Annotated[ExportExperts, tyro.conf.subcommand("export-experts")]
)


@messages
def main(arguments: Sequence[str]) -> int:
    """Converts sets and experts from and to the files of the published PyTorch code; no PyTorch."""
    use = tyro.cli(USES, args=arguments, prog="mttjax convert", description=main.__doc__)
    require_folder("--to", use.to.parent if isinstance(use, ImportSet) else use.to)
    from mttjax.cli.converting import convert

    convert(use)
    return 0
