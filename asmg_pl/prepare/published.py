"""The published data sets that can be prepared, with the addresses of their files."""

from __future__ import annotations

from dataclasses import dataclass

_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_SOBAZAAR = "https://github.com/hainguyen-telenor/Learning-to-rank-from-implicit-feedback"


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes:
        url: the file to download; ``None`` if it needs a login.
        files: the files that must be in the folder when it is ready.
        walk: the options of ``asmg fit`` that walk it.
        md5: whether the publisher gives an MD5 checksum, at the file's address with ``.md5`` appended.
        by_hand: how to get it, if it cannot be downloaded.
    """

    url: str | None
    files: tuple[str, ...]
    walk: str
    md5: bool = False
    by_hand: str = ""


def _movielens(name: str, kind: str = "csv", walk: str = "--config configs/movielens_small.yaml") -> Published:
    return Published(f"{_GROUPLENS}/{name}.zip", (f"ratings.{kind}", f"movies.{kind}"), walk, md5=True)


PUBLISHED = {
    "ml-latest-small": _movielens("ml-latest-small"),
    "ml-latest": _movielens("ml-latest"),
    "ml-32m": _movielens("ml-32m"),
    "ml-25m": _movielens("ml-25m", walk="--config configs/movielens_25m.yaml"),
    "ml-10m": _movielens("ml-10m", "dat"),
    "ml-1m": _movielens("ml-1m", "dat"),
    "sobazaar": Published(
        f"{_SOBAZAAR}/raw/master/Data/Sobazaar-hashID.csv.gz",
        ("Sobazaar-hashID.csv.gz",),
        "--config configs/sobazaar.yaml",
    ),
    "tmall": Published(
        None,
        ("user_log_format1.csv",),
        "--config configs/tmall.yaml",
        by_hand="log in at https://tianchi.aliyun.com/dataset/42, download data_format1, unpack it",
    ),
}
