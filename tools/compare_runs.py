"""Compare runs that exist: one table of their mean scores, lifts, time and memory, as Markdown, CSV and LaTeX.

    python tools/compare_runs.py runs/all --baseline iu
    python tools/compare_runs.py runs/iu runs/gru_multi runs/mine --baseline iu --metric logloss --out comparison

    python tools/compare_runs.py --wandb ENTITY/PROJECT --experiment drama

A RUN is the folder of a run of ``asmg fit``, or one that holds such folders, ``METHOD/seed-N``; with ``--wandb``, those
that walks have left on Weights & Biases are read too, a run's row by its job type. Runs that differ in
their seed alone make one row. A row's lift is the mean of the paired differences from the baseline, over the periods
and seeds that both have scored, with a 95 % interval for which whole periods and whole seeds are drawn, see
``tools/paired.py``. ``best`` marks the best row, ``≈`` those which such an interval does not tell from it. ``cells`` is
the number of scores that a mean is over, seeds times periods. A row one of whose walks has diverged has no mean and no
lift; neither it nor one that has stopped early, or has no test period, is ever the best. Runs whose files cannot be
read are passed over with a word.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from comparison import by_method, compare, draw, show
from messages import one_message
from run_folder import find_runs
from tables import publish
from wandb_source import wandb_runs

from asmg_pl.system.escaping import terminal


def main() -> None:
    """Read, then print and write the table; status 2 if the runs cannot be compared."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="*", help="a run folder, or a folder of them")
    parser.add_argument("--wandb", metavar="ENTITY/PROJECT", help="a project on Weights & Biases")
    parser.add_argument("--experiment", help="of that project, only the runs of this group")
    parser.add_argument("--baseline", default="iu", help="the row that lifts are over; iu by default")
    parser.add_argument("--metric", default="auc", help="what is compared, a column of metrics.csv without serving_")
    parser.add_argument("--split", choices=["test", "warm-up"], default="test", help="the periods that count")
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="where the table goes: OUT.md, .csv, .tex and .png"
    )
    options = parser.parse_args()
    if not options.runs and not options.wandb:
        parser.error("name run folders, or a project with --wandb")
    with one_message():
        runs = find_runs(options.runs)
        if options.wandb:
            runs += wandb_runs(options.wandb, options.experiment)
        methods = by_method(runs)
        if options.baseline not in methods:
            names = ", ".join(methods)
            parser.error(terminal(f"the baseline {options.baseline!r} is not among the rows: choose from {names}"))
        rows = compare(methods, options.baseline, options.metric, options.split)
        publish(rows, show(rows, options.baseline, options.metric), options.out)
        draw(rows, methods, options.baseline, Path(f"{options.out}.png"), options.metric, options.split)


if __name__ == "__main__":
    main()
