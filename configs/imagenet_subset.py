"""A subset of ImageNet at 128 px, ConvNet depth 5, width 128: the row of MTT (CVPR 2022).

ImageNette by default; for another give its class indices, from mttjax.config.IMAGENET_SUBSETS
(imagenette, imagewoof, imagemeow, imagesquawk, imagefruit, imageyellow), with --data.classes.
The folder has train/ and val/ (or test/) with the 1,000 classes' sub-folders, sorted by wnid.
Images are squashed to a square without antialiasing, as the published code has it (Resize of
tensors to a pair of sizes, torchvision 0.12; there they stay fractions, here they are rounded to
pixels). --data.fit crop takes the central square, antialiased.
Source: the command in the README of the published code, and issue 1 there, in which its author says
that all runs of the paper had 1e5 for the images' rate (the command has 1e3) and B 20 at 10 per
class. Measured here: not run.

    mttjax train_experts --config imagenet_subset --data.dir FOLDER
    mttjax distill --config imagenet_subset --ipc 10 --data.dir FOLDER
"""

from mttjax.config import IMAGENET_SUBSETS, MTT, Data, NetworkSpec, Settings, preset_row

IPCS = (1, 10)

ROWS = {
    1: MTT(student_steps=20, expert_epochs=2, max_start=10, lr_img=1e5, lr_lr=1e-6, lr=1e-2),
    10: MTT(
        student_steps=20, expert_epochs=2, max_start=10, lr_img=1e5, lr_lr=1e-6, lr=1e-2, batch=20
    ),
}


def get_config(ipc=1):
    return Settings(
        name="imagenet_subset",
        ipc=ipc,
        data=Data(
            dataset="image_folder",
            resolution=128,
            classes=IMAGENET_SUBSETS["imagenette"],
            fit="squash",
            statistics="imagenet",
        ),
        network=NetworkSpec(depth=5),
        distill=preset_row(ROWS, ipc, lr_lr_in="alpha"),
    )
