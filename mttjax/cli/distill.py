"""``mttjax distill``: a set of any method, and its page."""

from collections.abc import Sequence

from mttjax.cli.advice import advising, commands_of_run, evaluation_of
from mttjax.cli.distributed import joined, take_where
from mttjax.cli.messages import messages
from mttjax.cli.options import preset_settings, print_settings
from mttjax.system.console import detail, keep_log, say

__all__ = ["main"]

MORE = (
    "--distributed auto, or HOST:PORT,N,ID in each of N processes, shares out the trajectories of "
    "every step: the set of one process, to the bit."
)


@messages
def main(arguments: Sequence[str]) -> int:
    """Makes a set by the settings of a preset, alone or together with other processes."""
    arguments = list(arguments)
    where = take_where(arguments)
    chosen = preset_settings("mttjax distill", arguments, MORE)
    if chosen.only_print:
        return print_settings(chosen.settings)
    with joined(where) as team:
        return _distilled(chosen, arguments, team)


def _distilled(chosen, arguments, team):
    from mttjax.runs.folder import RunFolder
    from mttjax.runs.page import write_run_page
    from mttjax.runs.workflows import distill
    from mttjax.system.provenance import hardware, versions

    together = {"team": team} if team else {}
    if team and team.number:  # the first writes
        distill(chosen.settings, log=say, **together)
        return 0
    keep_log(RunFolder(chosen.settings.run_folder).log_path)
    if note := chosen.preset.note(chosen.settings.ipc, chosen.settings.method):
        say(note)
    detail(f"on {hardware()}, with {', '.join(map(' '.join, versions().items()))}")
    commands = commands_of_run(chosen.settings, arguments)
    with advising(commands.get("train_experts", "")):
        run = distill(chosen.settings, log=say, typed=commands, **together)
    evaluation = evaluation_of(chosen.settings, run.path)
    if "evaluate" not in run.commands():
        run.save_commands({"evaluate": evaluation})
    say(f"distilled set: {run.set_path('last')}\npage:          {write_run_page(run.path)}")
    say(f"evaluate it:   {evaluation}")
    return 0
