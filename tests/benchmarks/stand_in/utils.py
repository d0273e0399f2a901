"""Stands in for a clone of the published implementation: its names, not its code."""

import kornia  # noqa: F401  (the clone's reads it, and calls it where images are whitened)
import torch
import torch.nn.functional as F
from scipy.ndimage.interpolation import rotate as scipyrotate  # noqa: F401
from torch.utils.data import TensorDataset as Pairs
from torchvision import datasets, transforms  # noqa: F401


class ParamDiffAug:
    latestseed = -1


class TensorDataset(Pairs):
    pass


def DiffAugment(images, strategy="", *, param):
    assert strategy == "color_crop_cutout_flip_scale_rotate"
    assert param.latestseed == -1
    return images.flip(3)


def epoch(mode, dataloader, net, optimizer, criterion, args, aug):
    total = right = seen = 0
    for images, labels in dataloader:
        x = DiffAugment(images, args.dsa_strategy, param=args.dsa_param) if aug else images
        logits = net(x)
        loss = criterion(logits, labels)
        if mode == "train":
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        total += loss.item() * len(images)
        right += (logits.argmax(1) == labels).sum().item()
        seen += len(images)
    return total / seen, right / seen


def evaluate_synset(it_eval, net, images_train, labels_train, testloader, args):
    optimizer = torch.optim.SGD(net.parameters(), lr=args.lr_net, momentum=0.9)
    assert args.batch_train == 256
    loader = torch.utils.data.DataLoader(TensorDataset(images_train, labels_train), batch_size=256)
    rest = net, optimizer, F.cross_entropy, args
    trained = [epoch("train", loader, *rest, aug=True) for _ in range(args.epoch_eval_train + 1)]
    with torch.no_grad():
        tested = epoch("test", testloader, *rest, aug=False)
    return net, [accuracy for _, accuracy in trained], tested[1]
