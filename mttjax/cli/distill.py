"""The commands that make: experts, and sets of any method."""

from mttjax.cli.messages import messages
from mttjax.cli.preset_options import settings_from

__all__ = ["main"]


@messages
def main(arguments):
    """bin/distill: a set of any method, and its page."""
    settings, _, _ = settings_from("distill", arguments)
    from mttjax.runs.page import write_run_page
    from mttjax.runs.workflows import run_distill

    folder = run_distill(settings)
    page = write_run_page(folder)
    print(f"distilled set: {folder / 'last.npz'}\npage:          {page}")
    print(f"evaluate it:   bin/evaluate --run {folder}")
    return 0
