"""CIFAR-10 by the rows of Fashion-MNIST, width 32, ZCA: for ``benchmarks.successors`` on a CPU."""

import dataclasses

from mttjax.config import Data
from mttjax.config.presets import load_preset

IPCS = (1, 10)


def get_config(ipc=1):
    return dataclasses.replace(
        load_preset("fashion_mnist").settings(ipc),
        name="cifar10",
        preprocessing="zca",
        data=Data(dataset="cifar10"),
    )
