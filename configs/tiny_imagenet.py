"""Tiny ImageNet at 64 px, ConvNet depth 4, width 128: the rows of MTT (CVPR 2022).

Source: the settings of the published implementation's author, as transcribed by DC-BENCH.
Published test accuracy of MTT at 1, 10, 50 per class: 8.8, 23.2, 28.0 % (its paper, as quoted
in arXiv 2601.21296, Table 1). Measured here: not run.
The folder is the archive's own, unpacked: it has train/, val/ and wnids.txt.

    mttjax train_experts --config tiny_imagenet --ipc 10 --data.dir FOLDER
    mttjax distill --config tiny_imagenet --ipc 10 --data.dir FOLDER
"""

from mttjax.config import MTT, Data, NetworkSpec, Settings, preset_row

IPCS = (1, 10, 50)

ROWS = {
    1: MTT(student_steps=10, expert_epochs=2, max_start=10, lr_img=1e4, lr_lr=1e-4, lr=1e-2),
    10: MTT(
        student_steps=20, expert_epochs=2, max_start=40, lr_img=1e4, lr_lr=1e-4, lr=1e-2, batch=200
    ),
    50: MTT(
        student_steps=20, expert_epochs=2, max_start=40, lr_img=1e4, lr_lr=1e-4, lr=1e-2, batch=300
    ),
}
"""300 does not divide the 10,000 images at 50 per class: of every pass 100 are left out, with which
the published code would begin it."""


def get_config(ipc=1):
    return Settings(
        name="tiny_imagenet",
        ipc=ipc,
        data=Data(dataset="tiny_imagenet", resolution=64),
        network=NetworkSpec(depth=4),
        distill=preset_row(ROWS, ipc, lr_lr_in="alpha"),
    )
