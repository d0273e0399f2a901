"""Calls that meet hostile files: each builds one in a folder and reads it."""

import zipfile

import numpy as np
from PIL import Image

from benchmarks.torture import hostile
from mttjax.datasets import load_dataset
from mttjax.datasets.images import read_images
from mttjax.distilled import export_pngs, load_distilled, save_distilled
from mttjax.evaluation.sets import real_data_of
from mttjax.reporting import write_page
from mttjax.runs.page import write_run_page
from mttjax.system.files import write_json

__all__ = ["MARKER", "Harm"]

MARKER = "executed"
"""The file that every hostile command would make."""


class Harm(Exception):
    """Harm was done."""


def official(name, file, build):
    """A case's action: ``build(path)`` makes the archive ``file`` of a dataset."""

    def action(folder):
        build(folder / file)
        load_dataset(name, folder=folder)

    return action


def cifar(members):
    return official("cifar10", "cifar-10-binary.tar.gz", lambda p: hostile.tar_of(p, members(p)))


def pickled(content):
    def build(path):
        hostile.cifar_of_pickle(path, content(path.parent / MARKER))

    return official("cifar10", "cifar-10-python.tar.gz", build)


def escaping(path):
    """Everything that a tar can say about places outside."""
    target = path.parent.parent / "outside"
    batch = "cifar-10-batches-bin/data_batch_1.bin"
    yield "../outside", b"x"
    yield str(target), b"x"
    yield "cifar-10-batches-bin/../../../outside", b"x"
    for kind, where in ((b"2", "/etc"), (b"1", "/etc/passwd"), (b"3", ""), (b"4", ""), (b"6", "")):
        yield hostile.tar_info(batch, kind, where), b""
    yield hostile.tar_info("cifar-10-batches-bin", b"2", str(path.parent.parent)), b""
    yield "cifar-10-batches-bin/outside", b"x"


def long_header(kind, mebibytes):
    return lambda _: [(hostile.tar_info("././@LongLink", kind), mebibytes)]


def svhn(*elements):
    def build(path):
        for part in ("train", "test"):
            hostile.mat_of(path.with_name(f"{part}_32x32.mat"), *(e() for e in elements))

    return official("svhn_cropped", "train_32x32.mat", build)


def mnist(shape, mebibytes):
    def action(folder):
        for part in ("train", "t10k"):
            hostile.idx_bomb(folder / f"{part}-images-idx3-ubyte.gz", shape, mebibytes)
            hostile.idx_bomb(folder / f"{part}-labels-idx1-ubyte.gz", shape, 0)
        load_dataset("mnist", folder=folder)

    return action


def arrays(build):
    def action(folder):
        build(folder / "x.npz")
        load_dataset("arrays", folder=folder / "x.npz")

    return action


def distilled_set(build):
    def action(folder):
        build(folder / "x.npz")
        load_distilled(folder / "x.npz")

    return action


def objects(path):
    command = hostile.Command(path.parent / MARKER)
    held = np.array([command], dtype=object)
    np.savez(path, x_train=held, images=held, labels=held, metadata=held)


def plain_pickle(path):
    path.write_bytes(hostile.pickled_command(path.parent / MARKER, 4))


def claimed_items(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("images", "x_train"):
            archive.writestr(f"{name}.npy", hostile.npy_header((10**15,)) + bytes(64))


def forged(**metadata):
    return distilled_set(lambda path: hostile.forged_set(path, **metadata))


def settings(data):
    return lambda folder: real_data_of(hostile.distilled(settings={"data": data}))


def image(kind, **options):
    def action(folder):
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            read_images([hostile.bomb_image(folder / "x", kind, **options)], 8)
        finally:
            Image.MAX_IMAGE_PIXELS = limit

    return action


def nested(levels):
    tree = []
    for _ in range(levels):
        tree = [tree]
    return {"deep": tree}


def check_page(path):
    page = hostile.Page(path.read_text(encoding="utf-8"))
    if page.strange:
        raise Harm(f"the page has {page.strange[0]}")
    if hostile.EVIL not in page.text:
        raise Harm("the page does not show the name")


def page(folder):
    evil = hostile.EVIL
    texts = {"title": evil, "summary": evil, "command": evil, "settings": {evil: {evil: evil}}}
    tables, figures = [(evil, [evil, evil], [[evil, evil]])], [(folder / evil[:9], evil)]
    check_page(write_page(folder, tables=tables, figures=figures, **texts))


def run_page(folder):
    evil = hostile.EVIL
    folder = folder / evil.replace("/", "")
    step = {evil: [evil]}
    names = {"class_names": (evil, evil[::-1]), "dataset": evil}
    save_distilled(folder / "best.npz", hostile.distilled(**names, settings={"step": step}))
    config = {"name": evil, "ipc": evil, "method": evil, evil: {evil: [evil]}}
    row = {"ipc": evil, "mean": 0.5, "std": 0.1, "networks": evil, "lr": 0.1, "step": step}
    results = {"epochs": evil, "date": evil, "hardware": evil, "rows": {evil: row}}
    write_json(folder / "config.json", config)
    write_json(folder / "results.json", results)
    check_page(write_run_page(folder))


def exports(folder):
    for first in range(0, len(hostile.PATHS), 2):
        names = hostile.PATHS[first : first + 2]
        export_pngs(hostile.distilled(class_names=(*names, "x")[:2]), folder / str(first))
