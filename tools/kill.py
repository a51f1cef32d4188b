"""Kill the program again and again, call it again each time, and compare what is left with an undisturbed run.

    python tools/kill.py runs/kill --kills 60 --seed 1

Each round starts a real command in a process of its own, sends it SIGKILL at a moment, and calls the same command until
it ends. Moments are of two kinds, which take turns: a random one between the command's first sign of work and its usual
end, and a chosen one, the instant at which a file appears or goes. The commands are ``asmg fit`` (begun and resumed),
the same with ``--export.keep -1``, ``asmg convert``, ``asmg convert --append``, and ``asmg update``. Then pairs of
commands are started together: two appends, two walks in one folder, two updates, and a walk beside an append.

Prints a Markdown table with the rounds of each kind and how many ended with the bytes of the undisturbed run. Status 1
if one did not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from pathlib import Path

from killing.commands import COMMANDS, Place
from killing.pairs import PAIRS
from killing.rounds import kill_once
from tqdm import tqdm

from asmg_pl.experiments.rendering import Printed, markdown

MOMENTS = "random", "chosen"


def main() -> None:
    """Kill, then print the table; status 1 if something was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder, in which all of it happens")
    parser.add_argument("--kills", type=int, default=60, help="how many, over all commands")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=list(MOMENTS))
    parser.add_argument("--pairs", type=int, default=3, help="rounds of each pair of commands")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    given = parser.parse_args()
    place = Place.make(given.folder)
    draw = random.Random(given.seed)

    ended: dict[tuple[str, str], Counter[str]] = {}
    lost: list[str] = []
    for number in tqdm(range(given.kills), desc="kills", leave=False):
        command = COMMANDS[given.commands[number % len(given.commands)]]
        moment = given.moments[number // len(given.commands) % len(given.moments)]
        outcome = kill_once(command, place, draw, moment == "chosen", number)
        ended.setdefault((command.name, moment), Counter())[outcome.kind] += 1
        lost += outcome.complaints
    for name, together in PAIRS.items():
        for number in range(given.pairs):
            complaints = together(place, number)
            ended.setdefault((name, "together"), Counter())["lost" if complaints else "same bytes"] += 1
            lost += complaints

    kinds = ["same bytes", "ended before", "lost"]
    lines = [[name, moment, *(str(found[kind]) for kind in kinds)] for (name, moment), found in ended.items()]
    total = ["all", "", *(str(sum(found[kind] for found in ended.values())) for kind in kinds)]
    print(markdown(Printed(["command", "moment", *kinds], [*lines, total])))
    print("\n".join(lost), file=sys.stderr)
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
