"""The fingerprint of a stream's rows, which tells a stream that has grown from one that has changed."""

from __future__ import annotations

import hashlib

from asmg_pl.data.catalogue import as_of
from asmg_pl.data.logged import Logged

#: The number of rows that share one digest.
BLOCK = 2**20


def fingerprint(log: Logged, rows: int) -> str:
    """A digest of the first ``rows`` rows, to tell a stream that has grown from one that has changed.

    It covers users, items, labels, times, lengths of histories, features, weights, further labels, and the
    categories that count for these rows. It is the digest of the digests of blocks of 2**20 rows. A stream on disk
    stores the digests of blocks, so only the last block is read. The cut of the rows into parts makes no
    difference.
    """
    found = hashlib.sha256()
    for begin in range(0, rows, BLOCK):
        block = begin // BLOCK
        whole = begin + BLOCK <= rows and block < len(log.digests)
        found.update((log.digests[block] if whole else digest(log, begin, min(begin + BLOCK, rows))).encode())
    if log.categories is not None and log.sizes_by(rows).categories:
        first = as_of(0, log.categories, log.updates)[: log.known(rows)[1]]
        arrived = [update for update in log.updates if update.row < rows]
        for table in (first, *(table for update in arrived for table in (update.items[:, None], update.after))):
            for column in ((table >= 0).sum(1), table[table >= 0]):  # without the padding, since the width may grow
                found.update(column.cpu().numpy().tobytes())
    return found.hexdigest()


def digest(log: Logged, begin: int, end: int) -> str:
    """The digest of the rows ``begin … end - 1``."""
    found = hashlib.sha256()
    for columns in zip(*(part.by_row() for part in log.between(begin, end).parts), strict=True):
        for column in columns:
            found.update(column.cpu().numpy().tobytes())
    return found.hexdigest()
