"""The datasets that TFDS knows too: versions, shapes, class names, archives."""

from itertools import chain
from typing import NamedTuple

__all__ = ["Archive", "Entry"]


class Archive(NamedTuple):
    """One file of a dataset.

    Attributes:
      names: file names it goes by in a user's folder; the first is the official one.
      url: where its makers offer it.
      size, sha256: of the official file, checked after a download.
    """

    names: tuple[str, ...]
    url: str
    size: int
    sha256: str


class Entry(NamedTuple):
    """One dataset.

    Attributes:
      version: TFDS's version.
      shape: (H, W, C).
      class_names: K names.
      archives: role to archive.
    """

    version: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    archives: dict[str, Archive]


def _idx(base: str, *facts: tuple[str, int, str]) -> dict[str, Archive]:
    archives = {}
    for stem, size, sha256 in facts:
        # As offered, unpacked, and unpacked the way some mirrors spell it.
        names = (f"{stem}-ubyte.gz", f"{stem}-ubyte", f"{stem.replace('-idx', '.idx')}-ubyte")
        archives[stem[: -len("-idx3")]] = Archive(names, base + names[0], size, sha256)
    return archives


def _cifar(classes: int, size: int, sha256: str) -> dict[str, Archive]:
    names = (f"cifar-{classes}-binary.tar.gz", f"cifar-{classes}-python.tar.gz")
    return {"archive": Archive(names, f"https://www.cs.toronto.edu/~kriz/{names[0]}", size, sha256)}


def _svhn(split: str, size: int, sha256: str) -> Archive:
    name = f"{split}_32x32.mat"
    return Archive((name,), f"http://ufldl.stanford.edu/housenumbers/{name}", size, sha256)


_DIGITS = tuple(str(k) for k in range(10))

_FASHION = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

_CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

CIFAR100_SUPERCLASSES: dict[str, tuple[str, ...]] = {
    "aquatic_mammals": ("beaver", "dolphin", "otter", "seal", "whale"),
    "fish": ("aquarium_fish", "flatfish", "ray", "shark", "trout"),
    "flowers": ("orchid", "poppy", "rose", "sunflower", "tulip"),
    "food_containers": ("bottle", "bowl", "can", "cup", "plate"),
    "fruit_and_vegetables": ("apple", "mushroom", "orange", "pear", "sweet_pepper"),
    "household_electrical_devices": ("clock", "keyboard", "lamp", "telephone", "television"),
    "household_furniture": ("bed", "chair", "couch", "table", "wardrobe"),
    "insects": ("bee", "beetle", "butterfly", "caterpillar", "cockroach"),
    "large_carnivores": ("bear", "leopard", "lion", "tiger", "wolf"),
    "large_man-made_outdoor_things": ("bridge", "castle", "house", "road", "skyscraper"),
    "large_natural_outdoor_scenes": ("cloud", "forest", "mountain", "plain", "sea"),
    "large_omnivores_and_herbivores": ("camel", "cattle", "chimpanzee", "elephant", "kangaroo"),
    "medium_mammals": ("fox", "porcupine", "possum", "raccoon", "skunk"),
    "non-insect_invertebrates": ("crab", "lobster", "snail", "spider", "worm"),
    "people": ("baby", "boy", "girl", "man", "woman"),
    "reptiles": ("crocodile", "dinosaur", "lizard", "snake", "turtle"),
    "small_mammals": ("hamster", "mouse", "rabbit", "shrew", "squirrel"),
    "trees": ("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree"),
    "vehicles_1": ("bicycle", "bus", "motorcycle", "pickup_truck", "train"),
    "vehicles_2": ("lawn_mower", "rocket", "streetcar", "tank", "tractor"),
}

_CIFAR100 = tuple(sorted(chain.from_iterable(CIFAR100_SUPERCLASSES.values())))

CIFAR100_COARSE: tuple[int, ...] = tuple(
    next(k for k, fine in enumerate(CIFAR100_SUPERCLASSES.values()) if name in fine)
    for name in _CIFAR100
)
"""The superclass of each of the 100 classes."""

CATALOGUE: dict[str, Entry] = {
    "mnist": Entry(
        "3.0.1",
        (28, 28, 1),
        _DIGITS,
        _idx(
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            (
                "train-images-idx3",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            (
                "t10k-images-idx3",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            (
                "t10k-labels-idx1",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
    ),
    "fashion_mnist": Entry(
        "3.0.1",
        (28, 28, 1),
        _FASHION,
        _idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            (
                "train-images-idx3",
                26421880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            (
                "train-labels-idx1",
                29515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            (
                "t10k-images-idx3",
                4422102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            (
                "t10k-labels-idx1",
                5148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
    ),
    "cifar10": Entry(
        "3.0.2",
        (32, 32, 3),
        _CIFAR10,
        _cifar(10, 170052171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"),
    ),
    "cifar100": Entry(
        "3.0.2",
        (32, 32, 3),
        _CIFAR100,
        _cifar(100, 168513733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"),
    ),
    "svhn_cropped": Entry(
        "3.1.0",
        (32, 32, 3),
        _DIGITS,
        {
            "train": _svhn(
                "train",
                182040794,
                "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
            ),
            "test": _svhn(
                "test", 64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
            ),
        },
    ),
}
