"""Networks as pure functions of their parameters: ``apply(params, images) -> logits``.

The ConvNet of the dataset-distillation papers and the architectures that their sets are
tried on, as in the published code of DC (Zhao et al., ICLR 2021) and MTT (Cazenavette et
al., CVPR 2022), with the initialisation of PyTorch's layers.
"""

from mttjax.core.network_spec import NetworkSpec
from mttjax.core.networks.layers import Layers
from mttjax.core.networks.network import Network, make_network, parameter_count
from mttjax.core.networks.own import own_network

__all__ = ["Layers", "Network", "NetworkSpec", "make_network", "own_network", "parameter_count"]
