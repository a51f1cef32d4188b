"""Archives, good ones and odd ones."""

from __future__ import annotations

import io
import random
import stat
import zipfile
from pathlib import Path

import pytest
from prepare.server import FILES, MOVIES, RATINGS, archive, good

from asmg_pl.errors import DataError
from asmg_pl.prepare.unpack import unpack


def packed(path: Path, content: bytes) -> Path:
    (path / "x.zip").write_bytes(content)
    return path / "x.zip"


@pytest.mark.parametrize("name", ["../ratings.csv", "/etc/ratings.csv", "a/../../x", "..\\ratings.csv", "C:\\x"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    content = archive(**{"ratings.csv": RATINGS, "movies.csv": MOVIES, name: "evil"})
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(packed(tmp_path, content), tmp_path / "to" / "here", FILES, 10_000)
    assert list((tmp_path / "to" / "here").iterdir()) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO(archive(**{"ratings.csv": RATINGS}))
    with zipfile.ZipFile(file, "a") as content:
        link = zipfile.ZipInfo("movies.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        content.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="has a link"):
        unpack(packed(tmp_path, file.getvalue()), tmp_path / "to", FILES, 10_000)


def test_an_archive_that_grows_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    content = archive(**{"ratings.csv": "0" * 1_000_000, "movies.csv": MOVIES})
    with pytest.raises(DataError, match="more than 10,000 bytes when unpacked"):
        unpack(packed(tmp_path, content), tmp_path / "to", FILES, 10_000)
    assert list((tmp_path / "to").iterdir()) == []


def patched(place: int, value: int) -> bytes:
    """An archive with another byte at a place of each member's flags (0) and method (2), in both of its headers."""
    content = bytearray(good())
    for header, fields in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := content.find(header, at + 1)) >= 0:
            content[at + fields + place] = value
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no archive", good()[:-30], good()[:200] + b"\0" * 50 + good()[250:]),
        pytest.param(patched(0, 1), id="password"),
        pytest.param(patched(2, 99), id="unknown compression"),
    ],
)
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="damaged or no zip archive"):
        unpack(packed(tmp_path, content), tmp_path / "to", FILES, 10_000)
    assert list((tmp_path / "to").iterdir()) == []


def test_an_archive_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no movies\.csv: is it the right file"):
        unpack(packed(tmp_path, archive(**{"ratings.csv": RATINGS})), tmp_path / "to", FILES, 10_000)


def made(method: int, **members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as content:
        for name, text in members.items():
            content.writestr(name, text)
    return file.getvalue()


def broken(method: int) -> bytes:
    """An archive whose compressed bytes are not what the method makes, with a right directory."""
    content = bytearray(made(method, **{"ratings.csv": RATINGS * 50, "movies.csv": MOVIES}))
    begin = content.index(b"ratings.csv") + len(b"ratings.csv")
    content[begin : begin + 60] = bytes(60)
    return bytes(content)


def not_utf8() -> bytes:
    """An archive with a name that is flagged as UTF-8 and is not."""
    content = made(zipfile.ZIP_STORED, **{"ratings.csv": RATINGS, "movies.csv": MOVIES, "\u00e9\u00e9.txt": "x"})
    return content.replace("\u00e9\u00e9".encode(), b"\xff\xfe\xfd\xfc")


def nameless() -> bytes:
    file = io.BytesIO(archive(**{"ratings.csv": RATINGS, "movies.csv": MOVIES}))
    with zipfile.ZipFile(file, "a") as content:
        member = zipfile.ZipInfo("x")
        member.filename = ""
        with content.open(member, "w") as place:
            place.write(b"x")
    return file.getvalue()


ODD = {
    "broken deflate": (broken(zipfile.ZIP_DEFLATED), "damaged"),
    "broken bzip2": (broken(zipfile.ZIP_BZIP2), "damaged"),
    "broken LZMA": (broken(zipfile.ZIP_LZMA), "damaged"),
    "a name that is not UTF-8": (not_utf8(), "damaged"),
    "an empty name": (nameless(), "without a name"),
    "only a dot": (archive(**{".": "x", "ratings.csv": RATINGS, "movies.csv": MOVIES}), "without a name"),
    "only slashes": (archive(**{"///": "x", "ratings.csv": RATINGS, "movies.csv": MOVIES}), "leads out"),
    "one file in two folders": (archive(**{"a/ratings.csv": "x", "b/ratings.csv": "y", "movies.csv": "z"}), "twice"),
    "no central directory": (good()[: good().index(b"PK\1\2")], "damaged"),
    "a cut central directory": (good()[: good().index(b"PK\1\2") + 30] + good()[good().index(b"PK\5\6") :], "damaged"),
    "a file that is a folder": (archive(**{"ratings.csv/": "", "movies.csv": MOVIES}), "has no ratings.csv"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_archive_is_one_error_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    content, message = ODD[kind]
    with pytest.raises(DataError, match=message):
        unpack(packed(tmp_path, content), tmp_path / "to", FILES, 100_000)
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_are_an_error_or_the_same_files(tmp_path: Path, seed: int) -> None:
    draw, whole = random.Random(seed), good()
    for number in range(150):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        folder = tmp_path / str(number)
        try:
            unpack(packed(tmp_path, bytes(content)), folder, FILES, 100_000)
        except DataError:
            assert list(folder.iterdir()) == []
        else:
            assert (folder / "ratings.csv").read_text() == RATINGS
