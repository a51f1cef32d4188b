"""Compressed files: what is read is what was packed, and a file that is cut off is an error, not an end."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
import zstandard

from asmg_pl.data.tables.text import blocks
from asmg_pl.errors import DataError

CONTENT = "".join(f"u{n},{n * n % 97},{1600000000 + n}\n" for n in range(50_000)).encode()


def frames(content: bytes) -> bytes:
    """Several frames, as programs with several processes write them."""
    return b"".join(zstandard.compress(content[begin : begin + 100_001]) for begin in range(0, len(content), 100_001))


def streamed(content: bytes) -> bytes:
    """A frame that does not say how long its content is, as a program with a pipe writes it."""
    pack = zstandard.ZstdCompressor().compressobj()
    return pack.compress(content) + pack.flush()


def read(path: Path, size: int) -> bytes:
    return b"".join(block.content for block in blocks(path, '"', size))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, frames, streamed])
@pytest.mark.parametrize("size", [1000, 1 << 18, 1 << 25])
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.csv.zst"])
def test_what_was_packed_is_read_under_any_name(tmp_path: Path, pack: type, size: int, name: str) -> None:
    packed = pack(CONTENT)
    if name.endswith((".gz", ".zst")) and name.endswith(".gz") != packed.startswith(b"\x1f\x8b"):
        pytest.skip("the name says something else")
    (tmp_path / name).write_bytes(packed)
    assert read(tmp_path / name, size) == CONTENT
    assert sum(block.size for block in blocks(tmp_path / name, '"', size)) == len(packed)


@pytest.mark.parametrize("pack", [zstandard.compress, frames, streamed])
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, pack: type, share: float) -> None:
    packed = pack(CONTENT)
    (tmp_path / "rows.csv.zst").write_bytes(packed[: int(len(packed) * share)])
    with pytest.raises(
        DataError, match=r"rows.csv.zst cannot be unpacked, it is cut off or damaged .*: fetch it again"
    ):
        read(tmp_path / "rows.csv.zst", 1 << 18)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "rows.csv.zst").write_bytes(CONTENT)
    with pytest.raises(DataError, match=r"rows.csv.zst cannot be unpacked"):
        read(tmp_path / "rows.csv.zst", 1 << 18)


def test_without_the_package_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv.zst").write_bytes(zstandard.compress(CONTENT))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(DataError, match=r"needs the package zstandard: pip install 'asmg_pl\[zstd\]', or unpack"):
        read(tmp_path / "rows.csv.zst", 1 << 18)
