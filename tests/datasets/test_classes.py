"""Choosing classes by names or indices."""

import pytest
from small import write_class_folders

from mttjax.datasets.classes import choose_classes
from mttjax.datasets.loading import load_dataset
from mttjax.system.errors import InputError

NAMES = ("0", "1", "10", "11", "2", "3")
PETS = ("cat", "dog", "caf\u00e9")


@pytest.mark.parametrize(
    ("names", "classes", "indices", "how"),
    [
        (NAMES, ("2", "10"), (4, 2), "by name"),
        (NAMES, (2, 10 - 5), (2, 5), "by index 2, 5"),
        (NAMES, ("4", "5"), (4, 5), "by index 4, 5"),
        (PETS, ("dog", "cat"), (1, 0), "by name"),
        (PETS, ("1", "0"), (1, 0), "by index 1, 0"),
        (PETS, ("cafe\u0301",), (2,), "by name"),
        (PETS, None, (0, 1, 2), ""),
    ],
)
def test_text_is_a_name_where_all_are_names_else_digits_are_indices(names, classes, indices, how):
    assert choose_classes(classes, names) == (indices, how)


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (NAMES, ("2", "5"), "classes has '5', which is no class: .*Give names only, or indices"),
        (PETS, ("cat", "1"), "classes has '1', which is no class"),
        (PETS, ("cat", 1), "classes has 1, which is no class"),
        (PETS, ("cart", "dog"), r"classes has 'cart', which is no class: did you mean 'cat'\?"),
        (PETS, ("0", "9" * 5000), "which is no class"),
        (PETS, ("cat", "cat"), "names a class twice"),
        (PETS, ("3", "0"), "classes has 3, but the indices go from 0 to 2"),
        (tuple(map(str, range(900))), ("x",), r"\.\.\.\. Give names only"),
    ],
)
def test_what_is_no_choice_is_refused(names, classes, message):
    with pytest.raises(InputError, match=message):
        choose_classes(classes, names)


def test_the_mapping_is_in_the_line_that_says_what_was_read(tmp_path):
    write_class_folders(tmp_path, ".", tuple(map(str, range(12))), n=5)
    by_name = load_dataset("image_folder", folder=tmp_path, classes=("2", "10"))
    assert "2 classes (2, 10: by name), 6 training" in by_name.describe()
    by_index = load_dataset("image_folder", folder=tmp_path, classes=(2, 10))
    assert "2 classes (10, 8: by index 2, 10), 6 training" in by_index.describe()
    assert (
        "12 classes (0, 1, 10, …, 9), " in load_dataset("image_folder", folder=tmp_path).describe()
    )
