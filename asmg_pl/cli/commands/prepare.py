"""``asmg prepare NAME``: fetch a published data set, check it, unpack it, and say how to walk it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from asmg_pl.cli.parser import CommandParser
from asmg_pl.errors import DataError
from asmg_pl.prepare.download import check_address, digest, download, read_text
from asmg_pl.prepare.published import PUBLISHED
from asmg_pl.prepare.unpack import unpack


def run(arguments: Sequence[str]) -> None:
    """Prepare as the command line says, and print how to go on.

    Raises:
        DataError: see :func:`prepare`.
    """
    given = parser().parse_args(list(arguments))
    folder = Path(given.folder) / given.name
    print("\n".join(prepare(given.name, folder, given.url, given.sha256, given.max_bytes)))
    walk = f"{PUBLISHED[given.name].walk} --data.root {shlex.quote(str(folder))}"
    print(f"walk it: asmg fit {walk} --trainer.default_root_dir runs/{given.name}")


def prepare(name: str, folder: Path, url: str | None, sha256: str | None, max_bytes: int) -> list[str]:
    """Have a data set's files in a folder. If they are there, nothing is done.

    Args:
        name: which data set.
        folder: where its files go.
        url: another address than the publisher's.
        sha256: the checksum that the downloaded file must have.
        max_bytes: the most bytes that the download may have, and the files when unpacked.

    Returns:
        What has been done, line by line.

    Raises:
        DataError: if the file cannot be fetched, has another checksum, or is not what it should be.
    """
    published = PUBLISHED[name]
    if all((folder / file).is_file() for file in published.files):
        return [f"{folder} has {' and '.join(published.files)}: nothing to do"]
    address = url or published.url
    if address is None:
        files = " and ".join(published.files)
        raise DataError(
            f"{name} cannot be downloaded without a login: {published.by_hand}, and put {files} in {folder}"
        )
    check_address(address)
    file = PurePosixPath(urlsplit(published.url or address).path).name  # a mirror may call it otherwise
    if file in ("", "..") or not urlsplit(address).path.strip("/"):
        raise DataError(f"{address} names no file: give --url the address of the file itself")
    folder.mkdir(parents=True, exist_ok=True)
    fetched = folder / file
    download(address, fetched, max_bytes)
    told = _verify(fetched, address, published.md5, sha256)
    if fetched.name not in published.files:
        unpack(fetched, folder, published.files, max_bytes)
        fetched.unlink()
    return [*told, f"{folder} has {' and '.join(published.files)}"]


def _verify(path: Path, url: str, has_md5: bool, sha256: str | None) -> list[str]:
    """Compare checksums, the user's and the publisher's; a file that has another one is removed."""
    found = digest(path, "sha256")
    if sha256 is not None and found != sha256.lower():
        path.unlink()
        raise DataError(f"{url} has the SHA-256 checksum {found}, not {sha256}: it is damaged or another file; removed")
    told = [f"SHA-256 of {path.name}: {found}"]
    beside = urlsplit(url)._replace(path=urlsplit(url).path + ".md5").geturl()
    words = (read_text(beside) or "").split() if has_md5 else []
    published = [word.lower() for word in words if len(word) == 32 and set(word.lower()) <= set("0123456789abcdef")]
    if not published:
        return [*told, "the publisher has no checksum of it: compare this one, or give it with --sha256 next time"]
    if digest(path, "md5") not in published:
        path.unlink()
        raise DataError(f"{url} does not have the MD5 checksum that its publisher gives: fetch it again; removed")
    return [*told, "its MD5 checksum is the publisher's"]


def _count(text: str) -> int:
    """A number of bytes."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number of bytes")
    return int(text)


def parser() -> CommandParser:
    """The options of ``asmg prepare``."""
    parser = CommandParser(
        prog="asmg prepare",
        description="Fetch a published data set from its publisher, check it and unpack it. What has been fetched is "
        "not fetched again, and a download that was cut goes on. Mind the publishers' licences.",
    )
    parser.add_argument("name", choices=sorted(PUBLISHED), metavar="NAME", help=", ".join(sorted(PUBLISHED)))
    parser.add_argument("--folder", default="data", help="its files go into FOLDER/NAME (default: data)")
    parser.add_argument("--url", help="another address than the publisher's, a mirror for example")
    parser.add_argument("--sha256", help="the checksum that the downloaded file must have")
    parser.add_argument(
        "--max-bytes",
        type=_count,
        default=8 * 2**30,
        help="most bytes of the download, and when unpacked (default: 8589934592)",
    )
    return parser
