"""Writes the files of a part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.data.columns import Columns
from asmg_pl.data.stream.digests import write_digests


def write_part(
    place: Path,
    rows: Columns,
    arrays: Mapping[str, np.ndarray],
    names: Mapping[str, pl.Series],
    attached: Mapping[str, bytes],
) -> str:
    """Write the files of a part, and return the digest of their list of digests.

    Args:
        place: an empty folder.
        rows: the columns.
        arrays: the arrays of the catalogue, by the names of their files.
        names: the names that are new in the part, by id, for each kind of names.
        attached: further files, by name.
    """
    files = {name: column.numpy() for name, column in rows._asdict().items() if name != "context"}
    files |= {f"context-{feature}": column.numpy() for feature, column in enumerate(rows.context)}
    for name, array in (files | dict(arrays)).items():
        np.save(place / f"{name}.npy", array)
    for name, new in names.items():
        new.to_frame("name").write_parquet(place / f"{name}.parquet")
    for name, content in attached.items():
        (place / name).write_bytes(content)
    return write_digests(place)
