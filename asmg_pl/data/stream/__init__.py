"""Streams on disk: columns that are mapped into memory, and to which rows can be appended.

    STREAM/stream.json        the format, the settings, and the parts in their order
    STREAM/part-00000/        the rows of one append, and the names that appeared with them
    STREAM/index-00000/       data for the next append, on the stream up to that part

A part never changes. An append writes a new part and then replaces ``stream.json``. An interrupted append therefore
leaves the stream as it was, and a reader sees the stream before the append or after it. One program at a time appends.
Many small parts can be merged into fewer ones, which replace them in one step too.
"""

from asmg_pl.data.stream.appending import stream_lock
from asmg_pl.data.stream.compacting import Compaction, compact
from asmg_pl.data.stream.manifest import MOST_CARRIED
from asmg_pl.data.stream.reader import open_stream, read_names
from asmg_pl.data.stream.remote import open_stream_at
from asmg_pl.data.stream.writer import StreamWriter

__all__ = [
    "MOST_CARRIED",
    "Compaction",
    "StreamWriter",
    "compact",
    "open_stream",
    "open_stream_at",
    "read_names",
    "stream_lock",
]
