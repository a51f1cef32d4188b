"""Writes the files of a part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from asmg_pl.data.stream.digests import write_digests


def write_part(
    place: Path,
    arrays: Mapping[str, np.ndarray],
    names: Mapping[str, pl.Series],
    attached: Mapping[str, bytes],
) -> str:
    """Write the files of a part, and return the digest of their list of digests.

    Args:
        place: an empty folder.
        arrays: the columns of the rows and the arrays of the catalogue, by the names of their files.
        names: the names that are new in the part, by id, for each kind of names.
        attached: further files, by name.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # compressing and writing work outside of Python's lock
        done = [pool.submit(np.save, place / f"{name}.npy", array) for name, array in arrays.items()]
        done += [
            pool.submit(new.to_frame("name").write_parquet, place / f"{name}.parquet") for name, new in names.items()
        ]
    for future in done:
        future.result()
    for name, content in attached.items():
        (place / name).write_bytes(content)
    return write_digests(place)
