"""Fashion-MNIST, ConvNet depth 3, width 32: sized for a CPU."""

from mttjax.config import Data, Distill, Experts, Settings
from mttjax.evaluating import Protocol
from mttjax.networks import NetworkSpec

IPCS = (1, 10)


def get_config(ipc=1):
    rows = {
        1: Distill(student_steps=30, max_start=4, expert_epochs=2, lr_img=100, lr_lr=0.1, lr=0.02,
                   steps=600, evaluate_every=100),
        10: Distill(student_steps=20, max_start=10, expert_epochs=2, lr_img=100, lr_lr=0.1,
                    lr=0.02, batch=50, steps=400, evaluate_every=100),
    }  # fmt: skip
    return Settings(
        name="fashion_mnist",
        ipc=ipc,
        data=Data(dataset="fashion_mnist"),
        network=NetworkSpec(depth=3, width=32),
        experts=Experts(count=5, epochs=12),
        distill=rows[ipc],
        evaluate=Protocol(),
    )
