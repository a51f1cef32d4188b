"""Write a synthetic drifting stream of any size to disk, as a stream for ``asmg fit --data.source Stream``.

    python tools/write_drifting_stream.py streams/drifting --rows 100000000 --users 1000000 --items 300000

The options are those of ``asmg_pl.data.sources.DriftingStream``, which says what each of them plants.
"""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from asmg_pl.data.sources import DriftingStream
from asmg_pl.data.stream import StreamWriter


def main() -> None:
    """Draw and write."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="the stream's folder, which must not be there yet")
    parser.add_class_arguments(DriftingStream, nested_key=None)
    given = parser.parse_args()
    folder = given.pop("folder")
    if folder.exists():
        parser.error(f"{folder} exists: choose another folder")
    source = DriftingStream(**given.as_dict())
    source.write(StreamWriter(folder))
    print(f"{folder}: {source.rows:,} rows; walk it: asmg fit --model ASMG --data.source Stream --data.root {folder}")


if __name__ == "__main__":
    main()
