"""scikit-learn's 1,797 digits of 8×8 pixels: the whole way in minutes on a CPU.

No paper uses this set; the settings were found here. Measured: see results/digits.

    make demo
"""

from mttjax.config import Data, Distill, Experts, Settings
from mttjax.evaluating import Protocol
from mttjax.networks import NetworkSpec

IPCS = (1, 10)


def get_config(ipc=1):
    rows = {
        1: Distill(student_steps=10, max_start=8, expert_epochs=3, lr_img=30, lr_lr=0.1, lr=0.05,
                   steps=400, evaluate_every=100),
        10: Distill(student_steps=10, max_start=12, expert_epochs=4, lr_img=100, lr_lr=0.1,
                    lr=0.05, batch=50, steps=300, evaluate_every=100),
    }  # fmt: skip
    return Settings(
        name="digits",
        ipc=ipc,
        ops=("color", "crop", "cutout", "scale", "rotate"),
        data=Data(dataset="digits"),
        network=NetworkSpec(depth=2, width=32),
        experts=Experts(count=8, batch=64),
        distill=rows.get(ipc, rows[10]),
        evaluate=Protocol(epochs=301),
    )
