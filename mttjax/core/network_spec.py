"""The description of a network that sets, stores and settings hold."""

from dataclasses import dataclass
from typing import Annotated, Literal

from mttjax.system.errors import InputError
from mttjax.system.fields import Checked, Range

__all__ = ["ARCHITECTURES", "NetworkSpec"]

ARCHITECTURES = ("convnet", "alexnet", "vgg11", "resnet18", "resnet18_ap")


@dataclass(frozen=True)
class NetworkSpec(Checked):
    """What a distilled set and a store say of their network; one that exists is valid.

    The convnet uses every field, vgg11 and the resnets ``norm`` alone, alexnet and a network of
    one's own none, and all have a ``precision``; a field that is not used must be left at its
    default.
    """

    name: str = "convnet"
    """The network's architecture: convnet, alexnet, vgg11, resnet18 or resnet18_ap; depth and
    width are of the convnet alone. A network of one's own is given as `--network FILE.py:FUNCTION`,
    and called so, with a checksum of the file after an @."""
    depth: Annotated[int, Range(1, 64)] = 3
    """Blocks of convolution, norm, activation and pool, each halving the image."""
    width: Annotated[int, Range(1, 2**14)] = 128
    """Channels of every convolution."""
    norm: Literal["instance", "batch", "layer", "group", "none"] = "instance"
    """Which numbers are brought to mean 0 and variance 1 after a convolution. `batch` has no
    running statistics: it normalises a test batch by that batch."""
    activation: Literal["relu", "sigmoid", "leaky_relu"] = "relu"
    """The nonlinearity after the norm."""
    pooling: Literal["average", "max", "none"] = "average"
    """How a block halves the image at its end; `none`: the image keeps its size."""
    precision: Literal["float32", "tensorfloat32", "bfloat16"] = "float32"
    """In what its products are computed, with all their derivatives, by experts, students and
    evaluation alike; parameters and their updates are float32. `float32` is float32 on every
    device; `tensorfloat32` rounds what is multiplied to 10 bits where the device can, and is
    `float32` on a CPU; `bfloat16` computes the whole network in it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in ARCHITECTURES and not self.is_own:
            raise InputError(
                f"name is {self.name!r}: must be one of {', '.join(ARCHITECTURES)}; or "
                "FILE.py:FUNCTION, a network of your own, given as --network (in a program: what "
                "own_network returns)"
            )

    @property
    def is_own(self) -> bool:
        """Whether it is a network of the user's own."""
        where, at, checksum = self.name.rpartition("@")
        return bool(at and checksum) and all(where.rpartition(":")[::2])
