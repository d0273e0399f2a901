"""Networks as pure functions of their parameters: ``apply(params, images) -> logits``.

The ConvNet of the dataset-distillation papers and the architectures that their sets are
tried on, as in the published code of DC (Zhao et al., ICLR 2021) and MTT (Cazenavette et
al., CVPR 2022), with the initialisation of PyTorch's layers.
"""

from mttjax.core.networks.layers import Layers, average_pool, max_pool
from mttjax.core.networks.network import Network, in_bfloat16, make_network, parameter_count
from mttjax.core.networks.norms import Norm
from mttjax.core.networks.plain import alexnet, convnet, vgg11
from mttjax.core.networks.resnet import resnet18, resnet18_ap
from mttjax.core.networks.spec import BEFORE, NetworkSpec

__all__ = [
    "BEFORE",
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
