"""The datasets that have official archives: TFDS's versions, shapes, class names, files."""

from itertools import chain
from typing import NamedTuple

__all__ = [
    "CATALOGUE",
    "CIFAR100_COARSE",
    "CIFAR100_SUPERCLASSES",
    "IMAGENET_SUBSETS",
    "Archive",
    "Entry",
]


class Archive(NamedTuple):
    """One file of a dataset.

    Attributes:
      names: what it is called in a user's folder, packed or unpacked; the first is official.
      url: where its makers offer it.
      size, sha256: of the official file.
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
      archives: official file name to archive.
    """

    version: str
    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    archives: dict[str, Archive]


def _archives(url: str, facts: str, *others: tuple[str, str]) -> dict[str, Archive]:
    """Archives from lines of name, size and sum; ``others`` make the other names of one."""
    archives = {}
    for name, size, sha256 in map(str.split, facts.strip().splitlines()):
        names = (name, *(name.replace(*other) for other in others))
        archives[name] = Archive(names, url + name, int(size), sha256)
    return archives


_MNIST_FILES = """
train-images-idx3-ubyte.gz 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte.gz 28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte.gz 1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte.gz 4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
"""

_FASHION_FILES = """
train-images-idx3-ubyte.gz 26421880 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84
train-labels-idx1-ubyte.gz 29515 a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845
t10k-images-idx3-ubyte.gz 4422102 346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073
t10k-labels-idx1-ubyte.gz 5148 67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5
"""

# The last two are what some mirrors unpack them to.
_UNPACKED_IDX = ((".gz", ""), *((f"-idx{k}-ubyte.gz", f".idx{k}-ubyte") for k in (1, 3)))

_CIFAR10_FILES = """
cifar-10-binary.tar.gz 170052171 c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd
"""

_CIFAR100_FILES = """
cifar-100-binary.tar.gz 168513733 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec
"""

_SVHN_FILES = """
train_32x32.mat 182040794 435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8
test_32x32.mat 64275384 cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b
"""

_DIGITS = tuple(map(str, range(10)))

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

_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_ZALANDO = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_GOOGLE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_STANFORD = "http://ufldl.stanford.edu/housenumbers/"

# The other version, and either without its gzip.
_TARS = [("binary", "python"), (".tar.gz", ".tar"), ("binary.tar.gz", "python.tar")]
_UNPACKED_CIFAR10 = [("binary.tar.gz", f"batches-{kind}") for kind in ("py", "bin")]
_UNPACKED_CIFAR100 = [("binary.tar.gz", "python"), (".tar.gz", "")]
_CIFAR10_ARCHIVES = _archives(_TORONTO, _CIFAR10_FILES, *_TARS, *_UNPACKED_CIFAR10)
_CIFAR100_ARCHIVES = _archives(_TORONTO, _CIFAR100_FILES, *_TARS, *_UNPACKED_CIFAR100)
_MNIST_ARCHIVES = _archives(_GOOGLE, _MNIST_FILES, *_UNPACKED_IDX)
_FASHION_ARCHIVES = _archives(_ZALANDO, _FASHION_FILES, *_UNPACKED_IDX)

CATALOGUE: dict[str, Entry] = {
    "mnist": Entry("3.0.1", (28, 28, 1), _DIGITS, _MNIST_ARCHIVES),
    "fashion_mnist": Entry("3.0.1", (28, 28, 1), _FASHION, _FASHION_ARCHIVES),
    "cifar10": Entry("3.0.2", (32, 32, 3), _CIFAR10, _CIFAR10_ARCHIVES),
    "cifar100": Entry("3.0.2", (32, 32, 3), _CIFAR100, _CIFAR100_ARCHIVES),
    "svhn_cropped": Entry("3.1.0", (32, 32, 3), _DIGITS, _archives(_STANFORD, _SVHN_FILES)),
}

IMAGENET_SUBSETS: dict[str, tuple[int, ...]] = {
    "imagenette": (0, 217, 482, 491, 497, 566, 569, 571, 574, 701),
    "imagewoof": (193, 182, 258, 162, 155, 167, 159, 273, 207, 229),
    "imagemeow": (281, 282, 283, 284, 285, 291, 292, 290, 289, 287),
    "imagesquawk": (84, 130, 88, 144, 145, 22, 96, 9, 100, 89),
    "imagefruit": (953, 954, 949, 950, 951, 957, 952, 945, 943, 948),
    "imageyellow": (309, 986, 954, 951, 987, 779, 599, 291, 72, 11),
}
"""The six subsets of ImageNet in the paper, by ImageNet-1k class index.

Pass one as ``classes`` of an ``image_folder`` whose 1000 sub-folders are named by wnid.
"""
