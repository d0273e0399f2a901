"""MNIST by the rows of Fashion-MNIST, width 32: for ``benchmarks.successors`` on a CPU.

Augmentation without flips, which would make other digits.
"""

import dataclasses

from mttjax.config import Data
from mttjax.config.presets import load_preset

IPCS = (1, 10)


def get_config(ipc=1):
    return dataclasses.replace(
        load_preset("fashion_mnist").settings(ipc),
        name="mnist",
        ops=("color", "crop", "cutout", "scale", "rotate"),
        data=Data(dataset="mnist"),
    )
