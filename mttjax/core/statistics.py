"""The published statistics of the data sets, which images are standardised by."""

__all__ = ["STATISTICS"]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

STATISTICS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
    "tiny_imagenet": _IMAGENET,
    "imagenet": _IMAGENET,
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2861,), (0.3530,)),
    "svhn_cropped": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}
"""Per-channel mean and standard deviation in [0, 1], as the papers use them. MTT standardises
CIFAR-100 by CIFAR-10's."""
