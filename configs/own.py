"""Any images: no published row, no claim; a way to begin with, for any number per class.

--data.dir is a folder of images with a sub-folder a class, or an .npz of arrays. What follows from
the images is taken from them, unless an option says otherwise: their size (of a folder of several
sizes: 64 pixels), the depth of the network, the batch of the experts, the minibatch of students.
Width is 128, as in the papers; on a CPU take --network.width 32. Images are not flipped: writing,
and what has a left and a right, would be other things; --ops color crop cutout flip scale rotate
flips. See docs/own_data.md. Measured: scikit-learn's digits as an .npz, 1 per class, width 32, four
experts, 300 steps: 92.6 ± 1.0 % beside 67.4 ± 1.2 of random real images (three networks of 301
epochs, 2026-11-27). On other images not run.

    mttjax train_experts --config own --data.dir FOLDER
    mttjax distill --config own --ipc 10 --data.dir FOLDER
"""

from mttjax.config import MTT, Data, Experts, Settings, fit_to_data, preset_row

IPCS = (1, 10, 50)

ROWS = {
    1: MTT(student_steps=30, expert_epochs=2, max_start=5, lr_img=1e2, lr_lr=0.1),
    10: MTT(student_steps=40, expert_epochs=2, max_start=15, lr_img=5e2, lr_lr=0.05),
    50: MTT(student_steps=40, expert_epochs=2, max_start=20, lr_img=1e3, lr_lr=0.05),
}

_LAYERS = {"steps": 2000, "halve_at": (1200, 1600, 1800), "real_batch": 64}

METHODS = {
    "dd": {1: {"steps": 2000, "halve_every": 500, "real_batch": 256}},
    "ld": {1: {"steps": 2000, "real_batch": 256}},
    "dc": {1: {"steps": 2000, "real_batch": 128, "network_epochs": 10}},
    "dsa": {1: {"steps": 2000, "real_batch": 128, "network_epochs": 10}},
    "dm": {1: {"steps": 5000, "real_batch": 128}},
    "cafe": {1: _LAYERS},
    "cafe_dsa": {1: _LAYERS},
}
"""The other methods: fewer steps and smaller real batches than published."""

fit = fit_to_data


def get_config(ipc=10):
    return Settings(
        name="own",
        ipc=ipc,
        ops=("color", "crop", "cutout", "scale", "rotate"),
        data=Data(dataset="image_folder"),
        experts=Experts(count=20),
        distill=preset_row(ROWS, ipc, lr=0.02, steps=2000),
    )
