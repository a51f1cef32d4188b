"""Streams on disk: columns that are mapped into memory, and to which rows can be appended.

    STREAM/stream.json        what there is: format, settings, and the parts in their order
    STREAM/part-00000/        the rows of one append, and the names that appeared with them
    STREAM/index-00000/       what the next append needs to know, of the stream up to that part

A part is never touched again. An append writes a new one and then replaces ``stream.json``, so that whatever
interrupts it leaves the stream as it was, and whoever reads meanwhile sees the stream before it or after it. One
program at a time appends.
"""

from asmg_pl.data.stream.appending import stream_lock
from asmg_pl.data.stream.manifest import MOST_CARRIED
from asmg_pl.data.stream.reader import open_stream, read_names
from asmg_pl.data.stream.writer import StreamWriter

__all__ = ["MOST_CARRIED", "StreamWriter", "open_stream", "read_names", "stream_lock"]
