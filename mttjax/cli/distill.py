"""``mttjax distill``: a set of any method, and its page."""

from collections.abc import Sequence

from mttjax.cli.messages import messages
from mttjax.cli.options import preset_settings, print_settings
from mttjax.runs.page import write_run_page
from mttjax.runs.workflows import distill

__all__ = ["main"]


@messages
def main(arguments: Sequence[str]) -> int:
    """Makes a set by the settings of a preset."""
    chosen = preset_settings("mttjax distill", arguments)
    if chosen.only_print:
        return print_settings(chosen.settings)
    run = distill(chosen.settings)
    print(f"distilled set: {run.set_path('last')}\npage:          {write_run_page(run.path)}")
    print(f"evaluate it:   mttjax evaluate run {run.path}")
    return 0
