"""What each user has had before each part of a new stream, so that parts can be written side by side.

user 7    3 9 │ 4 │ 8 1        part 2 begins with the last `carry` of 3 9 4
parts      0    1    2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame

from asmg_pl.convert.spark.tasks import mapped
from asmg_pl.data.histories import Past, spans

#: The columns of a user's past before a part.
PAST = {
    **{"part": "int", "final": "bigint", "id_0": "int"},
    **{"earlier": "bigint", "same_moment": "bigint", "items": "array<int>"},
}


@dataclass(frozen=True)
class Pasts:
    """Finds the pasts of users.

    Attributes:
        carry: the longest past.
        positive: whether only rows with label 1 enter it.
        begins: the first time of each part.
        ends: the last time of each part.
    """

    carry: int
    positive: bool
    begins: Sequence[int]
    ends: Sequence[int]

    def of(self, rows: DataFrame) -> DataFrame:
        """The past of each user before each part in which the user has rows, but for the first one.

        Args:
            rows: ``id_0`` (user), ``id_1`` (item), ``label``, ``time``, ``part`` and ``final``, the place of the row.
        """
        by_user = rows.select("id_0", "id_1", "label", "time", "part", "final").repartition("id_0")
        return mapped(by_user.sortWithinPartitions("id_0", "final"), lambda tables: self._pasts(tables), PAST)

    def _pasts(self, tables: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The pasts of the users of a partition."""
        pieces = list(tables)
        if not pieces:
            return
        rows = pl.concat(pieces)
        user, part, time, item = (rows[name].to_numpy() for name in ("id_0", "part", "time", "id_1"))
        enters = rows["label"].to_numpy() == 1 if self.positive else np.ones(len(rows), bool)
        entered = np.cumsum(enters) - enters  # entries before each row, of all users
        new_user = np.diff(user, prepend=-1) != 0
        of_user = entered[np.maximum.accumulate(np.where(new_user, np.arange(len(user)), 0))]
        group = np.flatnonzero((new_user | (np.diff(part, prepend=-1) != 0)) & (entered > of_user))
        same = np.zeros(len(group), np.int64)
        for number in range(1, len(self.ends)):
            moment, here = self.ends[number - 1], part[group] == number
            if self.begins[number] == moment and here.any():
                at_moment = np.append(0, np.cumsum(time[enters] == moment))
                same[here] = (at_moment[entered[group]] - at_moment[of_user[group]])[here]
        earlier = np.minimum(entered[group] - of_user[group] - same, self.carry)
        length = earlier + same
        items = item[enters][spans(entered[group] - length, length)]
        lists = pa.ListArray.from_arrays(np.append(0, np.cumsum(length)).astype(np.int32), pa.array(items, pa.int32()))
        found = {"part": part[group], "id_0": user[group], "earlier": earlier, "same_moment": same}
        yield pl.DataFrame(found | {"items": pl.from_arrow(lists)}).with_columns(final=pl.lit(-1, pl.Int64))


def past_of(pasts: pl.DataFrame, active: np.ndarray, ended: int) -> Past:
    """The past of the users of a part.

    Args:
        pasts: the pasts before the part, by user.
        active: the users of the part, ascending.
        ended: the last time before the part.
    """
    place = np.searchsorted(active, pasts["id_0"].to_numpy())
    counts = np.zeros((2, len(active)), np.int64)
    counts[:, place] = pasts["earlier"].to_numpy(), pasts["same_moment"].to_numpy()
    items = pasts["items"].explode(empty_as_null=False).to_numpy().astype(np.int32)
    return Past(items, counts[0], counts[1], ended)
