"""Fashion-MNIST, ConvNet depth 3, width 32: sized for a CPU, each row within half an hour.

MTT has no published settings for it; these were found here, by powers of ten from CIFAR-10's
rows without ZCA. Ten images per class match a longer range (S 40, M 3) than they did first (S 20,
M 2), and move the images at a tenth of the rate that they did first: on validation images 2e2 and
5e2 are two to three points ahead of 2e3 after 300 steps. Measured: see results/fashion_mnist (ten
per class at 2e3) and results/successors, with the commands, hardware and times. At the papers'
width (--network.width 128): not run.

    mttjax train_experts --config fashion_mnist --data.dir FOLDER
    mttjax distill --config fashion_mnist --ipc 10 --data.dir FOLDER
    mttjax table --config fashion_mnist --ipc 1 10 --protocol short --data.dir FOLDER
"""

from mttjax.config import MTT, Data, Experts, NetworkSpec, Protocol, Settings, preset_row

IPCS = (1, 10)

ROWS = {
    1: MTT(
        student_steps=30,
        expert_epochs=2,
        max_start=4,
        lr_img=1e2,
        lr_lr=0.1,
        lr=0.02,
        steps=600,
        evaluate_every=200,
    ),
    10: MTT(
        student_steps=40,
        expert_epochs=3,
        max_start=11,
        lr_img=2e2,
        lr_lr=0.05,
        lr=0.02,
        batch=25,
        steps=900,
        evaluate_every=300,
    ),
}

_NONE = Protocol(networks=0)
_GRADIENTS = {
    1: {"steps": 1000, "real_batch": 128, "validation": _NONE},
    10: {"steps": 1200, "real_batch": 128, "network_epochs": 10, "validation": _NONE},
}
_LAYERS = {
    1: {"steps": 1000, "real_batch": 64, "halve_at": (600, 800, 900), "validation": _NONE},
    10: {
        "steps": 800,
        "real_batch": 64,
        "network_epochs": 10,
        "halve_at": (480, 640, 720),
        "validation": _NONE,
    },
}

METHODS = {
    "dd": {
        1: {"steps": 400, "halve_every": 160, "validation": _NONE},
        10: {"steps": 600, "halve_every": 240, "validation": _NONE},
    },
    "ld": {1: {"steps": 600, "validation": _NONE}, 10: {"steps": 1000, "validation": _NONE}},
    "dc": _GRADIENTS,
    "dsa": _GRADIENTS,
    "dm": {
        1: {"steps": 1600, "real_batch": 128, "validation": _NONE},
        10: {"steps": 3200, "real_batch": 128, "validation": _NONE},
    },
    "cafe": _LAYERS,
    "cafe_dsa": _LAYERS,
}
"""The other methods in half an hour of one core each: fewer steps, and fewer real images and
epochs of the networks, than published. What else differs from the published: docs/methods.md."""


def get_config(ipc=1):
    return Settings(
        name="fashion_mnist",
        ipc=ipc,
        data=Data(dataset="fashion_mnist"),
        network=NetworkSpec(depth=3, width=32),
        experts=Experts(count=4),
        distill=preset_row(ROWS, ipc),
    )
