"""How a stream is cut into periods, and how a walk that goes on knows that it is the same stream, cut alike.

rows         0 … b_0 … b_1 …    … b_P … n
             │    │ 1 │  2  │    P │    │
      before ┘                          └ not yet a period
"""

from __future__ import annotations

from typing import Any

from asmg_pl.data.cutting.continuing import utc
from asmg_pl.data.cutting.periods import Periods
from asmg_pl.data.log import InteractionLog
from asmg_pl.errors import CheckpointError


class PeriodCut:
    """The boundaries of a stream's periods, which stay where they are when the stream grows."""

    def __init__(self, log: InteractionLog, periods: Periods, name: str) -> None:
        """Cut nothing yet.

        Args:
            log: the stream.
            periods: how to cut it.
            name: of the stream, for messages.
        """
        self._log, self._periods, self._name = log, periods, name
        self._known: list[int] = []  # boundaries of the walk that is resumed, and how many rows the stream had then
        self._known_rows = 0
        self._boundaries: list[int] = []
        self._fingerprints: dict[int, str] = {}

    @property
    def boundaries(self) -> list[int]:
        """Row positions ``[b_0, …, b_P]``: period ``t`` holds rows ``b_{t-1} … b_t - 1``."""
        if not self._boundaries:
            same_rows = self._known and len(self._log) == self._known_rows and not self._periods.said_complete
            self._boundaries = self._known if same_rows else self._periods.cut(self._log, self._known)
        return self._boundaries

    def waiting(self) -> str | None:
        """How many rows come after the last period, and what they wait for; ``None`` if there is none."""
        end = self.boundaries[-1]
        if end == len(self._log):
            return None
        since = utc(self._log.time_at(end))
        return f"{len(self._log) - end:,} rows since {since} wait {self._periods.awaited(self._log, self.boundaries)}"

    def state_dict(self) -> dict[str, Any]:
        """The boundaries, the number of rows, and a digest of the rows that were cut."""
        boundaries = self.boundaries
        return {"boundaries": boundaries, "rows": len(self._log), "fingerprint": self._fingerprint(boundaries[-1])}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep an earlier cut; rows that have come since are cut after it."""
        self._known, self._known_rows, self._boundaries = list(state["boundaries"]), state["rows"], []

    def check_same(self, state: dict[str, Any]) -> None:
        """Check that a state is of this stream, which may have grown at its end since.

        Raises:
            CheckpointError: if the stream's earlier rows differ.
        """
        known = state["boundaries"]
        if len(self._log) < known[-1] or self._fingerprint(known[-1]) != state["fingerprint"]:
            raise CheckpointError(
                f"the checkpoint was made on a stream that began with {known[-1]:,} other rows than {self._name} does "
                "now. A stream may grow at its end; to walk another one, start without --ckpt_path"
            )

    def _fingerprint(self, rows: int) -> str:
        if rows not in self._fingerprints:
            self._fingerprints[rows] = self._log.fingerprint(rows)
        return self._fingerprints[rows]
