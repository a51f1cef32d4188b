"""The program ``asmg``: find the command, load it, run it, and end with one message if the user can mend what is wrong.

Nothing heavy is imported here, so that help and version are there at once.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from asmg_pl.cli.again import how_to_go_on
from asmg_pl.cli.commands import check_name, load, overview
from asmg_pl.cli.failure import leave, leave_if_mendable
from asmg_pl.cli.logs import log_on_screen, sign_of_life
from asmg_pl.system.environment import have_home, import_from_working_folder, lasting_streams
from asmg_pl.system.signals import stop_on_signals


def main() -> None:
    """Run the command line.

    An error that the user can mend is one message and exit status 2; a signal that asks to stop is one line and exit
    status 128 + its number.
    """
    take_debug_switch()
    # Kept here, since a command that walks puts the walk's own arguments into sys.argv.
    with lasting_streams(), stop_on_signals(partial(how_to_go_on, sys.argv[1:])):
        try:
            command, *arguments = sys.argv[1:] or [""]
            if command in ("", "-h", "--help"):
                print(overview(), end="")
                sys.exit(0) if command else leave("give one of these commands")
            elif command == "--version":
                show_version()
                sys.exit(0)
            check_name(command)
            run(command, arguments)
        except Exception as error:
            leave_if_mendable(error)
            raise


def run(command: str, arguments: list[str]) -> None:
    """Load a command and run it; its class paths may name modules of the working folder."""
    with log_on_screen():
        have_home()
        import_from_working_folder()
        with sign_of_life(command):
            function = load(command)
        function(arguments)


def take_debug_switch() -> None:
    """Have ``--debug``, wherever it stands, show tracebacks and debug messages, in processes that are launched too."""
    if "--debug" in sys.argv[1:]:
        sys.argv[1:] = [argument for argument in sys.argv[1:] if argument != "--debug"]
        os.environ["ASMG_TRACEBACK"] = "1"
        os.environ.setdefault("ASMG_LOG", "debug")


def show_version() -> None:
    """Print the version."""
    from importlib.metadata import version  # only here, as its import takes longer than all others

    print(f"asmg_pl {version('asmg_pl')}")
