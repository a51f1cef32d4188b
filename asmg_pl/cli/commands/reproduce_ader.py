"""``asmg reproduce ader``: ADER's table of next-item prediction, our figures beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asmg_pl.cli.study import StudyParser, messages

#: Those with published figures, and after them those that no one has published.
PUBLISHED = ("finetune", "dropout", "ewc", "ader", "joint")
METHODS = (*PUBLISHED, "asmg", "row")


def run(arguments: Sequence[str]) -> None:
    """Walk as the command line says.

    Raises:
        UserError: if there are no clicks, the folder has another study, or a period fails.
    """
    given = parser().parse_args(arguments)

    import torch

    from asmg_pl.experiments.next_item import FULL, SMALL, study

    settings = replace(SMALL if given.small else FULL, seed=given.seed)
    device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    with messages():
        study(given.folder, given.data / "diginetica", list(dict.fromkeys(given.methods)), settings, device)


def parser() -> StudyParser:
    """The options of ``asmg reproduce ader``."""
    options = StudyParser(
        "reproduce ader",
        "FOLDER [option …]",
        "Train SASRec on one week of sessions of DIGINETICA and test it on the next, week after week, as ADER (RecSys "
        "2020) does: each click is ranked among all items known by then. Print Recall and MRR at 10 and 20, means over "
        "the 16 test weeks, beside the published figures. The weeks' clicks are in diginetica/clicks.csv.gz within "
        "--data.\n\n"
        "Methods: finetune; dropout, which is finetune with it; ewc, which holds important parameters back; ader, "
        "which replays exemplars; and joint, which trains a new model on all weeks so far. If they are named, asmg "
        "and row too, which test what a generator makes of finetune's models. FOLDER gets ader.csv, .md, "
        ".tex and .png whenever a method is done, ader-periods.csv with the figures of each week, and a folder for "
        "each finished period. These periods are not walked again, and an interrupted one is repeated with the same "
        "numbers. At full size a method takes hours without a GPU.",
        ["runs/ader --data data", "runs/ader-small --small --methods finetune ader"],
    )
    options.hint = ""
    options.add_argument("folder", metavar="FOLDER", type=Path, help="where periods, table and picture go")
    options.add_argument("--data", type=Path, default=Path("data"), help="the folder of the data sets (default: data)")
    options.add_argument(
        "--methods",
        nargs="+",
        choices=METHODS,
        metavar="METHOD",
        default=list(PUBLISHED),
        help="only these: finetune, …",
    )
    options.add_argument("--seed", type=int, default=1234, help="of all that is random (default: 1234)")
    options.add_argument(
        "--small",
        action="store_true",
        help="width 32, 4 short weeks, at most 10 epochs: minutes; not comparable",
    )
    options.add_argument("--device", help="where to train, as cpu or cuda:1 (default: a GPU, if there is one)")
    return options
