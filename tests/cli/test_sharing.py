"""What is asked of several processes for one command, before any of them begins."""

from pathlib import Path

import pytest

from mttjax.cli.sharing import Sharing, shared
from mttjax.system.errors import InputError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ray_objects": ("a",)}, "give --engine ray too"),
        ({"engine": "ray", "ray_objects": ("/a",)}, "ray_objects is '/a': give folders"),
        ({"shares": 2}, "shares is 2: say with --worker K"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        Sharing(**given)


@pytest.mark.parametrize("made", [Path("runs/table"), Path("/data/experts")])
def test_what_would_not_come_back_is_not_begun(made):
    sharing = Sharing(engine="ray", ray_objects=("data", "experts"))
    with pytest.raises(InputError, match=f"data, experts: what is made in {made} would not"):
        shared(sharing, ["table"], made, lambda **_: pytest.fail("begun"))
