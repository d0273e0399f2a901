"""Stands in for a clone of the published implementation: its names, not its code."""

from collections import OrderedDict

from torch import nn


class ConvNet(nn.Module):
    """The two kinds that are asked for, and nothing else."""

    def __init__(
        self,
        channel,
        num_classes,
        net_width,
        net_depth,
        net_act,
        net_norm,
        net_pooling,
        im_size=(32, 32),
    ):
        super().__init__()
        assert (net_act, net_norm, net_pooling) == ("relu", "instancenorm", "avgpooling")
        blocks = OrderedDict()
        for i in range(net_depth):
            blocks[f"convolution{i}"] = nn.Conv2d(channel, net_width, 3, padding=1)
            blocks[f"norm{i}"] = nn.GroupNorm(net_width, net_width)
            blocks[f"rest{i}"] = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2))
            channel = net_width
        self.features = nn.Sequential(blocks)
        rows, columns = (side >> net_depth for side in im_size)
        self.classifier = nn.Linear(net_width * rows * columns, num_classes)

    def forward(self, images):
        return self.classifier(self.features(images).flatten(1))
