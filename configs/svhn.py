"""SVHN (cropped), ConvNet depth 3, width 128. No published MTT settings: CIFAR-10's without ZCA.

Augmentation without flips, which would make other digits. Measured here: not run.

    mttjax train_experts --config svhn --data.dir FOLDER
    mttjax distill --config svhn --ipc 10 --data.dir FOLDER
"""

from mttjax.config import MTT, Data, Settings, preset_row

IPCS = (1, 10, 50)

ROWS = {
    1: MTT(student_steps=50, expert_epochs=2, max_start=2, lr_img=1e2, lr_lr=1e-7, lr=1e-2),
    10: MTT(student_steps=30, expert_epochs=2, max_start=20, lr_img=1e2, lr_lr=1e-5, lr=1e-3),
    50: MTT(student_steps=30, expert_epochs=2, max_start=40, lr_img=1e3, lr_lr=1e-5, lr=1e-3),
}


def get_config(ipc=1):
    return Settings(
        name="svhn",
        ipc=ipc,
        ops=("color", "crop", "cutout", "scale", "rotate"),
        data=Data(dataset="svhn_cropped"),
        distill=preset_row(ROWS, ipc, lr_lr_in="alpha"),
    )
