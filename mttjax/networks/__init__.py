"""Networks as pure functions of their parameters: ``apply(params, images) -> logits``.

The ConvNet of the dataset-distillation papers and the architectures that their sets are
tried on, as in the published code of DC (Zhao et al., ICLR 2021) and MTT (Cazenavette et
al., CVPR 2022), with the initialisation of PyTorch's layers.
"""

from mttjax.networks.checks import MOST_DEPTH, MOST_WIDTH
from mttjax.networks.layers import Layers, average_pool, max_pool
from mttjax.networks.making import Network, in_bfloat16, make_network, parameter_count
from mttjax.networks.norms import Norm
from mttjax.networks.plain import alexnet, convnet, vgg11
from mttjax.networks.resnet import resnet18, resnet18_ap
from mttjax.networks.spec import BEFORE, NetworkSpec

__all__ = [
    "BEFORE",
    "MOST_DEPTH",
    "MOST_WIDTH",
    "Layers",
    "Network",
    "NetworkSpec",
    "Norm",
    "alexnet",
    "average_pool",
    "convnet",
    "in_bfloat16",
    "make_network",
    "max_pool",
    "parameter_count",
    "resnet18",
    "resnet18_ap",
    "vgg11",
]
