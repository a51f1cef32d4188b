"""Lose a part of a cluster again and again, at random moments, and compare what is left with an undisturbed run.

    python tools/lose.py runs/lose bucket agent spark ray --rounds 5 --each 4 --seed 1

Each round starts real programs on this machine, waits for their first sign of work, and loses a part at moments
between then and the usual end: the server of a bucket is away, overloaded or cuts connections for seconds; a torchrun
agent is killed with its process of the walk; so is a worker of Spark with its executors, or a node of Ray with its
walk. Another one joins in its place. Nobody calls a command again.

Prints a Markdown table with how often a part was lost, and how many rounds ended in another way than the undisturbed
one: with an error, or with other bytes or numbers. Status 1 if one did.
"""

from __future__ import annotations

import argparse
import random
import sys
from contextlib import ExitStack
from pathlib import Path

from killing.agent import Agent
from killing.bucket import Bucket
from killing.ray_node import RayNode
from killing.scene import Scene, Tally, lose_in, undisturbed
from killing.spark import Spark
from tqdm import tqdm

from asmg_pl.experiments.rendering import Printed, markdown

SCENES: dict[str, type[Scene]] = {"bucket": Bucket, "agent": Agent, "spark": Spark, "ray": RayNode}


def main() -> None:
    """Lose parts, then print the table; status 1 if something was lost with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder, in which all of it happens")
    parser.add_argument("scenes", nargs="+", choices=SCENES, metavar="PART", help=f"one of {', '.join(SCENES)}")
    parser.add_argument("--rounds", type=int, default=20, help="how many, for each part")
    parser.add_argument("--each", type=int, default=1, help="moments of a round")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    given = parser.parse_args()
    lines, complaints = [], []
    for name in given.scenes:
        draw, tallies = random.Random(given.seed), list[Tally]()
        with ExitStack() as stack:
            scene = SCENES[name](given.folder.absolute() / name, stack)
            usual, expected = undisturbed(scene)
            for number in tqdm(range(1, given.rounds + 1), desc=scene.name, leave=False):
                moments = sorted(draw.uniform(0, usual) for _ in range(given.each))
                tallies.append(found := lose_in(scene, number, moments, expected, draw))
                how = "ended otherwise" if found.complaints else "the same"
                tqdm.write(f"{scene.name}, round {number}: lost {found.lost} times, {how}", file=sys.stderr)
        other = [each for tally in tallies for each in tally.complaints]
        counts = [sum(t.lost for t in tallies), sum(t.late for t in tallies), len(tallies), len(other)]
        lines.append([scene.name, *map(str, counts)])
        complaints += other
    columns = ["part", "times lost", "moments after the end", "rounds", "rounds that ended otherwise"]
    print(markdown(Printed(columns, lines)))
    print("\n".join(complaints), file=sys.stderr)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
