"""Stands in for a clone of the published implementation: its names, not its code."""

import torch
from torch import nn


class ReparamModule(nn.Module):
    """A module of flat parameters."""

    def __init__(self, module):
        super().__init__()
        self.inner = [module]
        flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
        self.flat_param = nn.Parameter(flat)

    def forward(self, images, *, flat_param):
        (module,) = self.inner
        shapes = {name: p.shape for name, p in module.named_parameters()}
        pieces = flat_param.split([shape.numel() for shape in shapes.values()])
        named = {
            name: piece.view(shape)
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
        return torch.func.functional_call(module, named, (images,))
