"""A distilled set as the files that the published PyTorch code and its comparisons read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mttjax.distilled.official import class_major
from mttjax.distilled.pngs import folder_names
from mttjax.distilled.set import DistilledSet
from mttjax.system.errors import InputError
from mttjax.system.files import atomically
from mttjax.system.torch_writing import write_torch

__all__ = ["LAYOUTS", "export_layout"]

_NEVER = -200.0  # the logarithm of a probability of 0: float32 has exp(-200) as 0

_NAMES = {
    **{"cifar10": "CIFAR10", "cifar100": "CIFAR100", "tiny_imagenet": "TinyImageNet"},
    **{"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "svhn_cropped": "SVHN"},
}
"""What the published code calls the data sets."""


def export_layout(distilled: DistilledSet, folder: str | Path, layout: str) -> list[Path]:
    """Writes the set into ``folder``, in one of the ``LAYOUTS``.

    Returns:
      The files.

    Raises:
      InputError: no such layout, or one that cannot hold the set; the message says why.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout is {layout!r}: there are {', '.join(LAYOUTS)}")
    written = []
    for name, content in LAYOUTS[layout](distilled).items():
        path = Path(folder) / name
        if isinstance(content, str):
            with atomically(path, "w") as file:
                file.write(content)
        else:
            write_torch(path, content)
        written.append(path)
    return written


def _mtt(distilled):
    return _three(distilled, _hard(distilled))


def _datm(distilled):
    return _three(distilled, _logits(distilled.labels))


def _three(distilled, labels):
    return {
        "images_best.pt": _nchw(distilled.images),
        "labels_best.pt": labels,
        "lr_best.pt": np.array(distilled.lr, np.float32),
    }


def _dc(distilled):
    pair = [_nchw(distilled.images), _hard(distilled)]
    return {_res_name(distilled): {"data": [pair], "accs_all_exps": {}}}


def _idc(distilled):
    shown = np.asarray(distilled.preprocessing.inverse(distilled.images), np.float32)
    return {"data.pt": [_nchw(shown), _hard(distilled)]}


def _dc_bench(distilled):
    """As its loaders look for it: TM's files, and one file of DC, DSA and DM."""
    method = str(distilled.settings.get("method", "mtt"))
    own = method in ("dc", "dsa", "dm")
    files = _dc(distilled) if own else _mtt(distilled)
    (name,) = folder_names(["TM" if method == "mtt" else method.upper()])
    folder = Path("distilled_results", name, _bench_name(distilled), f"IPC{distilled.ipc}")
    return {str(folder / file): content for file, content in files.items()}


def _dd_ranking(distilled):
    images, labels = class_major(distilled.images, distilled.labels)
    counts = np.bincount(labels.argmax(axis=1), minlength=labels.shape[1])
    if len(set(counts)) > 1:
        raise InputError(
            f"DD-Ranking takes as many images of every class; the set has {min(counts)} to "
            f"{max(counts)}"
        )
    return {
        "images.pt": _nchw(images),
        "labels.pt": labels.argmax(axis=1),
        "soft_labels.pt": _logits(labels),
        "lr.pt": np.array(distilled.lr, np.float32),
        "run.py": _run_py(distilled),
    }


LAYOUTS: dict[str, Callable[[DistilledSet], dict[str, Any]]] = {
    "mtt": _mtt,
    "datm": _datm,
    "dc": _dc,
    "idc": _idc,
    "dcbench": _dc_bench,
    "ddranking": _dd_ranking,
}
"""name -> what gives the files, by their names: arrays as torch.save writes them, or text."""


def _nchw(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)


def _hard(distilled):
    if distilled.has_soft_labels:
        raise InputError(
            "the set's labels are probabilities, and this layout holds classes, which would lose "
            "them: take the layout datm"
        )
    return distilled.classes


def _logits(labels):
    """log p: the softmax gives p again."""
    return np.log(labels, out=np.full_like(labels, _NEVER), where=labels > 0)


def _res_name(distilled):
    (method,) = folder_names([str(distilled.settings.get("method", "dc")).upper()])
    network = "ConvNetD4" if _bench_name(distilled) == "tinyimagenet" else "ConvNet"
    return f"res_{method}_{_bench_name(distilled)}_{network}_{distilled.ipc}ipc.pt"


def _bench_name(distilled):
    name = _NAMES.get(distilled.dataset, distilled.dataset)
    return "tinyimagenet" if name == "TinyImageNet" else folder_names([name])[0]


_AUGMENTATIONS = {
    "color": {"saturation": 2.0, "brightness": 1.0, "contrast": 0.5},
    **{"flip": {"prob_flip": 0.5}, "rotate": {"ratio_rotate": 15.0}, "scale": {"ratio_scale": 1.2}},
    **{"crop": {"ratio_crop_pad": 0.125}, "cutout": {"ratio_cutout": 0.5}},
}


def _run_py(distilled):
    soft = distilled.has_soft_labels
    kind, labels = ("Soft", "soft_labels") if soft else ("Hard", "hard_labels")
    file = "soft_labels.pt" if soft else "labels.pt"
    network = distilled.network
    if unknown := [op for op in distilled.ops if op not in _AUGMENTATIONS]:
        raise InputError(
            f"the set is augmented by {' '.join(unknown)}, which DD-Ranking does not have: it "
            "would be scored otherwise than it is to be used. Another layout takes it"
        )
    dsa = {k: v for op in distilled.ops for k, v in _AUGMENTATIONS[op].items()}
    options = {
        "dataset": _NAMES.get(distilled.dataset, distilled.dataset),
        "real_data_path": "./datasets",
        "ipc": distilled.ipc,
        "model_name": f"{'ConvNet' if network.name == 'convnet' else network.name}-{network.depth}",
        "im_size": distilled.images.shape[1:3],
        "use_zca": distilled.preprocessing.kind == "zca",
        "data_aug_func": "dsa" if dsa else None,
        "aug_params": dsa,
        "device": "cuda",
    }
    if soft:
        options |= {
            "soft_label_mode": "S",
            "soft_label_criterion": "sce",
            "loss_fn_kwargs": {"temperature": 1.0, "scale_loss": False},
            "teacher_dir": "./teacher_models",
        }
    lines = "".join(f"    {name}={value!r},\n" for name, value in options.items())
    return (
        f'"""Scores the set in this folder by DD-Ranking 0.2: pip install ddranking."""\n\n'
        "import torch\n"
        f"from ddranking.metrics import LabelRobustScore{kind}\n\n"
        f"score = LabelRobustScore{kind}(\n{lines})\n"
        "score.compute_metrics(\n"
        '    image_tensor=torch.load("images.pt"),\n'
        f'    {labels}=torch.load("{file}"),\n'
        '    syn_lr=torch.load("lr.pt").item(),\n'
        ")\n"
    )
