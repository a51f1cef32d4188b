"""``asmg report``: one HTML file that shows runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from asmg_pl.cli.study import StudyParser, messages
from asmg_pl.storage.address import place
from asmg_pl.storage.results import written_out


def run(arguments: Sequence[str]) -> None:
    """Write the file as the command line says.

    Raises:
        UserError: if the runs cannot be shown.
    """
    given = parser().parse_args(list(arguments))

    from asmg_pl.experiments.report import write_report

    with messages(), written_out(given.out) as out:
        write_report(given.runs, out, given.baseline)


def parser() -> StudyParser:
    """The options of ``asmg report``."""
    options = StudyParser(
        "report",
        "RUN … [--out FILE] [--baseline NAME]",
        "Write one HTML file that shows runs beside each other: which method is best and whether that is certain, "
        "scores and lift by period, the drift of the data, costs, and what generators have learned. The file has "
        "everything in it and asks no network for anything; it can be mailed, and opened on a phone.\n\n"
        "A RUN is the folder of a run of asmg fit, or a folder that holds some: those in seed-1, seed-2, … of one "
        "folder are one method.",
        ["runs/demo", "runs/all --out report.html", "runs/iu runs/gru_multi --baseline iu"],
    )
    options.add_argument(
        "runs", type=place, nargs="+", metavar="RUN", help="the folder or address of a run, or of several"
    )
    options.add_argument(
        "--out",
        type=place,
        default=Path("report.html"),
        metavar="FILE",
        help="the file to write, or its address (default: report.html)",
    )
    options.add_argument(
        "--baseline",
        metavar="NAME",
        help="the method to compare with. By default the first plain incremental update, or else the incremental model "
        "beside which a generated model was scored",
    )
    return options
