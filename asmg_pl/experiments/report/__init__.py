"""The report: one HTML file that shows runs beside each other, and asks no network for anything."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from asmg_pl.experiments.baseline import with_baseline
from asmg_pl.experiments.comparison import by_method
from asmg_pl.experiments.report.page import page
from asmg_pl.experiments.runs import find_runs

logger = logging.getLogger(__name__)


def write_report(places: Sequence[str | Path], out: Path, baseline: str | None = None) -> None:
    """Write the report of some runs.

    Args:
        places: folders or addresses of runs, or of several.
        out: the file to write.
        baseline: the method to compare with; ``None`` takes that of
            :func:`~asmg_pl.experiments.baseline.with_baseline`.

    Raises:
        UserError: if there are no runs, they cannot be compared, or the baseline is not among them.
    """
    written = page(*with_baseline(by_method(find_runs(places)), baseline))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(written, encoding="utf-8")
    logger.info("wrote %s", out)
